"""Linear discriminants against scikit-learn's, which are the same equation."""

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from rhinoise.evaluation.discriminant import fitted


def clouds(count: int = 4, each: int = 30, dim: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Gaussian clouds of one covariance that is far from round."""
    drawn = torch.Generator().manual_seed(0)
    mixing, means = torch.randn(dim, dim, generator=drawn), 2 * torch.randn(count, dim, generator=drawn)
    classes = torch.arange(count).repeat_interleave(each)
    return torch.randn(count * each, dim, generator=drawn) @ mixing + means[classes], classes


def test_without_shrinkage_it_is_the_textbook_s():
    features, classes = clouds()
    count = 4
    # Equal priors; scikit-learn divides by n, not n - k, so that its scores are that much larger.
    book = LinearDiscriminantAnalysis(solver="lsqr", priors=np.full(count, 1 / count))
    book.fit(features.numpy(), classes.numpy())
    own = fitted(features, classes, count, shrinkage=0.0)(features)
    ratio = (len(features) - count) / len(features)
    theirs = torch.from_numpy(book.decision_function(features.numpy())) * ratio
    apart = lambda scores: scores - scores[:, :1]  # noqa: E731
    torch.testing.assert_close(apart(own).double(), apart(theirs).double(), atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 1.0])
def test_shrinkage_keeps_it_defined_where_features_outnumber_pictures(shrinkage):
    features, classes = clouds(count=5, each=2, dim=40)
    found = fitted(features, classes, 5, shrinkage=shrinkage)
    assert torch.isfinite(found.weights).all()
    assert (found(features).argmax(dim=1) == classes).double().mean() > 0.8


def test_a_feature_that_never_varies_does_no_harm():
    features, classes = clouds()
    constant = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    with_it, without = fitted(constant, classes, 4)(constant), fitted(features, classes, 4)(features)
    assert torch.equal(with_it.argmax(dim=1), without.argmax(dim=1))
