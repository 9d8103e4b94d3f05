"""Numbers for pictures: likeness of two, retrieval among many, distance of two sets. torchmetrics' home."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from rhinoise.core.shapes import Images


def shown(images: Images) -> Images:
    """[-1, 1] => [0, 1], clipped: the numbers that a screen gets.

    SSIM needs it: it compares local means as ratios, which is meaningless where they may be negative.
    """
    return ((images + 1) / 2).clamp(0, 1)


def psnr(images: Images, truth: Images) -> Float[Tensor, "b"]:
    """Peak signal-to-noise ratio of each picture as it is shown, in dB: -10 log10(mean squared error)."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return peak_signal_noise_ratio(
        shown(images), shown(truth), data_range=1.0, reduction="none", dim=(1, 2, 3)
    )


def ssim(images: Images, truth: Images) -> Float[Tensor, "b"]:
    """Structural similarity of each picture as it is shown (Wang et al. 2004); at least 6 pixels a side."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    found = structural_similarity_index_measure(shown(images), shown(truth), data_range=1.0, reduction="none")
    assert isinstance(found, Tensor)  # a tuple only when asked for more
    return found.reshape(len(images))


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """How often the right one was the first, or among the first five, of `among`; chance is 1 / among."""

    top1: float
    top5: float
    among: int


def retrieval(
    queries: Float[Tensor, "q f"], gallery: Float[Tensor, "g f"], target: Int[Tensor, "q"]
) -> Retrieval:
    """Look each query up in the gallery by cosine similarity; `target` is the gallery row it should find.

    What is exactly as near as the target counts as nearer: features that tell nothing apart find nothing.
    """
    similarity = F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T
    own = similarity.gather(1, target[:, None])
    nearer = (similarity >= own).sum(dim=1) - 1
    first, five = ((nearer < k).double().mean().item() for k in (1, 5))
    return Retrieval(top1=first, top5=five, among=len(gallery))


def frechet_distance(first: Float[Tensor, "n f"], second: Float[Tensor, "m f"]) -> float:
    """|mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets of features (Dowson & Landau 1982).

    With Heusel et al.'s features (2017) this is the FID. Biased upwards for few pictures: compare only
    numbers from sets of the same size.
    """
    mean1, root1, trace1 = _moments(first.double())
    mean2, root2, trace2 = _moments(second.double())
    # C1 C2 and root1 C2 root1 have the same eigenvalues; their roots are the singular values of root1 root2.
    both = torch.linalg.matrix_norm(root1 @ root2, ord="nuc")
    return ((mean1 - mean2).square().sum() + trace1 + trace2 - 2 * both).clamp(min=0).item()


def _moments(
    features: Float[Tensor, "n f"],
) -> tuple[Float[Tensor, "f"], Float[Tensor, "f f"], Float[Tensor, ""]]:
    """Mean, symmetric root of the covariance, and the covariance's trace."""
    covariance = torch.atleast_2d(torch.cov(features.T))
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return features.mean(dim=0), root, covariance.trace()
