"""Numbers for pictures: likeness of two, retrieval among many. torchmetrics' home."""

from dataclasses import dataclass

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
