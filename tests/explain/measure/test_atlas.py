"""Distances, principal components, purity and silhouette against closed forms and scikit-learn."""

import sys

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances, silhouette_score

from rhinoise.core.errors import ConfigError, MissingPackageError
from rhinoise.explain.measure.atlas import (
    differ,
    distances,
    inner_products,
    nearest,
    pca,
    purity,
    silhouette,
    umap,
)


def cloud(n: int, d: int, seed: int = 0) -> torch.Tensor:
    scales = 1.5 ** -torch.arange(d)
    return 3 + torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scales


def alone(n: int) -> list[frozenset[str]]:
    return [frozenset({str(i)}) for i in range(n)]


@pytest.mark.parametrize(("n", "d"), [(4, 2), (30, 7), (50, 200), (1200, 5)])
def test_distances_and_components_are_those_of_scikit_learn(n: int, d: int) -> None:
    vectors = cloud(n, d)
    inner = inner_products(vectors)
    np.testing.assert_allclose(distances(inner), pairwise_distances(vectors.numpy()), atol=2e-3)
    axes = min(3, n, d)
    theirs = PCA(axes).fit(vectors.double().numpy())
    ours = pca(inner, axes)
    np.testing.assert_allclose(ours.kept, theirs.explained_variance_ratio_, rtol=1e-3)
    expected = theirs.transform(vectors.double().numpy())
    np.testing.assert_allclose(ours.points.abs(), np.abs(expected), atol=5e-3 * np.abs(expected).max())


def test_many_equal_directions_still_keep_their_share() -> None:
    """Where no direction leads, any three are right, but what they keep is one number."""
    vectors = torch.randn(400, 400, generator=torch.Generator().manual_seed(1))
    inner = inner_products(vectors)
    values = torch.linalg.eigvalsh(inner.double()).flip(0)
    np.testing.assert_allclose(pca(inner).kept, values[:3] / values.sum(), rtol=2e-2)


@pytest.mark.parametrize("labels", [3, 12])
def test_silhouette_is_that_of_scikit_learn(labels: int) -> None:
    apart = distances(inner_products(cloud(40, 6)))
    names = [str(i * i % labels) for i in range(39)] + ["by itself"]
    theirs = silhouette_score(apart.double().numpy(), names, metric="precomputed")
    assert silhouette(apart, names) == pytest.approx(theirs, abs=1e-5)


def test_one_label_has_no_silhouette() -> None:
    assert silhouette(distances(inner_products(cloud(9, 2))), ["a"] * 9) is None


def test_purity_is_one_for_clusters_and_chance_for_shuffled_labels() -> None:
    apart = distances(inner_products(cloud(600, 4) + 100 * (torch.arange(600)[:, None] % 3)))
    names = [str(i % 3) for i in range(600)]
    found = purity(apart, names, differ(alone(600)))
    assert found is not None
    assert found.value == 1.0
    assert found.chance == pytest.approx(199 / 599)
    shuffled = [names[i] for i in torch.randperm(600, generator=torch.Generator().manual_seed(2))]
    blind = purity(apart, shuffled, differ(alone(600)))
    assert blind is not None
    assert abs(blind.value - blind.chance) < 4 * blind.error


def test_what_was_made_from_the_same_picture_is_no_neighbour() -> None:
    """Two mirrored pairs side by side: without the rule each finds its own mirror image, and all is pure."""
    apart = distances(inner_products(torch.tensor([[0.0], [0.1], [5.0], [5.1], [5.2]])))
    origins = [frozenset({"a"}), frozenset({"a", "c"}), frozenset({"b"}), frozenset({"b"}), frozenset({"c"})]
    allowed = differ(origins)
    assert allowed.tolist()[1] == [False, False, True, True, False]
    assert nearest(apart, 1)[:, 0].tolist() == [1, 0, 3, 2, 3]
    assert nearest(apart, 1, allowed)[:, 0].tolist() == [2, 2, 4, 4, 3]
    found = purity(apart, ["x", "x", "y", "y", "y"], allowed)
    assert found is not None
    assert found.pictures == 3  # the two of x were made from one picture
    assert found.value == 1.0
    assert purity(apart, list("abcde"), allowed) is None


@pytest.mark.parametrize(
    ("vectors", "said"),
    [(torch.rand(3, 5), "4 pictures at least, not 3"), (torch.ones(9, 5) / 3, "are the same to the model")],
)
def test_no_atlas_of_too_few_or_equal_pictures(vectors: torch.Tensor, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        inner_products(vectors)


def test_umap_keeps_two_clusters_apart() -> None:
    pytest.importorskip("umap", reason="the extra umap is not installed")
    points = umap(cloud(40, 4) + 50 * (torch.arange(40)[:, None] % 2)).points
    names = [str(i % 2) for i in range(40)]
    found = purity(distances(inner_products(points)), names, differ(alone(40)))
    assert found is not None
    assert found.value == 1.0


def test_without_umap_learn_there_is_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingPackageError, match="pip install umap-learn"):
        umap(cloud(9, 3))
