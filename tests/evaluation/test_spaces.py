"""Feature spaces: which one is taken, what is said of one that is not here, and what is kept."""

import numpy as np
import pytest
import torch

from rhinoise.core.errors import ConfigError, MissingPackageError, ModelFolderError, UnknownNameError
from rhinoise.core.images import from_uint8
from rhinoise.evaluation import spaces
from rhinoise.evaluation.spaces import SPACES, InceptionV3, Space, blocks, embedded, open_space
from rhinoise.nets.features import RandomConv


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)


def missing():
    raise MissingPackageError("this space", "some-package")


def test_the_first_space_at_hand_is_taken(monkeypatch):
    for name in list(SPACES)[:-1]:
        monkeypatch.setitem(SPACES, name, missing)
    assert open_space().name == "random_conv"
    monkeypatch.setitem(SPACES, next(iter(SPACES)), RandomConv)
    assert isinstance(open_space(), Space)


def test_a_space_that_is_asked_for_is_taken_or_refused(monkeypatch):
    assert open_space("random_conv").name == "random_conv"
    with pytest.raises(UnknownNameError, match="did you mean 'random_conv'"):
        open_space("random")
    monkeypatch.setitem(SPACES, "efficientnet_lite0", missing)
    with pytest.raises(MissingPackageError, match="pip install some-package"):
        open_space("efficientnet_lite0")


def test_inception_is_refused_without_its_package_its_weights_or_with_other_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(spaces, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="pip install torch-fidelity"):
        InceptionV3()
    monkeypatch.setattr(spaces, "find_spec", lambda name: name)
    with pytest.raises(ConfigError, match="nothing is downloaded here"):
        InceptionV3()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / InceptionV3.FILE).write_bytes(b"something else")
    with pytest.raises(ModelFolderError, match="not the file that rhinoise knows"):
        InceptionV3()


def test_features_in_blocks_are_the_features(pixels, tmp_path):
    found = list(blocks(RandomConv(), pixels, tmp_path))
    assert [len(block) for block in found] == [256, 44]
    torch.testing.assert_close(torch.cat(found), embedded(RandomConv(), from_uint8(torch.from_numpy(pixels))))


def test_finished_blocks_are_kept_and_found_by_their_content(pixels, tmp_path):
    next(blocks(RandomConv(), pixels, tmp_path))
    (first,) = tmp_path.iterdir()
    written = (first / "features.npy").stat().st_mtime_ns
    list(blocks(RandomConv(), pixels, tmp_path))
    assert (first / "features.npy").stat().st_mtime_ns == written
    assert len(list(tmp_path.iterdir())) == 2
    pixels[0, 0, 0, 0] ^= 1
    list(blocks(RandomConv(), pixels, tmp_path))
    assert len(list(tmp_path.iterdir())) == 3
