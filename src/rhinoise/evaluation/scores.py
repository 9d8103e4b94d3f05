"""What a part of a model is worth, on pictures that it has not seen: plain functions of plain parts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rhinoise.core.shapes import Images
from rhinoise.evaluation.metrics import Retrieval, psnr, retrieval, ssim
from rhinoise.evaluation.spaces import Space, embedded


@dataclass(frozen=True, kw_only=True)
class AutoencoderScore:
    """Means over pictures: PSNR in dB, and structural similarity."""

    psnr: float
    ssim: float
    pictures: int


@torch.no_grad()
def autoencoder_score(
    reconstruct: Callable[[Images], Images], batches: Iterable[Float[Tensor, "_ 3 H W"]]
) -> AutoencoderScore:
    """How well pictures survive `reconstruct` (encode, then decode); `batches` holds one picture at least."""
    likeness, structure = [], []
    for images in batches:
        again = reconstruct(images).float()
        likeness.append(psnr(again, images))
        structure.append(ssim(again, images))
    all_likeness, all_structure = torch.cat(likeness), torch.cat(structure)
    return AutoencoderScore(
        psnr=all_likeness.mean().item(), ssim=all_structure.mean().item(), pictures=len(all_likeness)
    )


def caption_retrieval(
    space: Space,
    generated: Float[Tensor, "q 3 H W"],
    real: Float[Tensor, "g 3 H W"],
    target: Int[Tensor, "q"],
) -> Retrieval:
    """Whether a picture drawn for a caption looks most like the real picture of that caption.

    `target[i]` is the row in `real` whose caption `generated[i]` was drawn for.
    """
    return retrieval(embedded(space, generated), embedded(space, real), target)
