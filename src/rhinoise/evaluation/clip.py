"""CLIP score (Hessel et al. 2021): how well pictures and captions agree, to a model that saw 400 M of them.

Only where one of its models lies in the local cache of Hugging Face already: nothing is downloaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.images import to_uint8
from rhinoise.core.shapes import Images

MODELS = (
    "openai/clip-vit-large-patch14",
    "openai/clip-vit-base-patch16",
    "openai/clip-vit-base-patch32",
)
"""What published scores are measured with; in the order in which they are preferred."""
WANTED = ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json")
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """Means of 100 max(cosine, 0): of pictures that were drawn, and of real ones with the same captions."""

    model: str
    drawn: float
    real: float


def clip_at_hand(cache: Path | None = None) -> tuple[str, Path] | None:
    """The name and the folder of the first of MODELS that is in `cache`, whole and as safetensors.

    `cache` is where Hugging Face keeps its models; None: where it keeps them on this machine.
    """
    from huggingface_hub import try_to_load_from_cache

    for name in MODELS:
        files = [try_to_load_from_cache(name, file, cache_dir=cache) for file in WANTED]
        if all(isinstance(file, str) for file in files):
            return name, Path(str(files[0])).parent
    return None


@torch.no_grad()
def clip_score(folder: Path, images: Images, captions: Sequence[str]) -> float:
    """The mean score of pictures and their captions, by the model in a folder."""
    from torchmetrics.multimodal.clip_score import CLIPScore

    path: Any = str(folder)  # annotated as one of a few names; transformers opens folders too
    metric: Any = CLIPScore(model_name_or_path=path)
    metric.model = _Pooled(metric.model)
    for start in range(0, len(captions), BATCH):
        metric.update(to_uint8(images[start : start + BATCH]), list(captions[start : start + BATCH]))
    return float(metric.compute())


class _Pooled(nn.Module):
    """A CLIP model as torchmetrics 1.9 wants it: features are vectors, not transformers 5's records."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model.eval(), model.config

    def get_image_features(self, *inputs: Tensor) -> Float[Tensor, "b f"]:
        """Pixels => a vector per picture."""
        return self.model.get_image_features(*inputs).pooler_output

    def get_text_features(self, *inputs: Tensor) -> Float[Tensor, "b f"]:
        """Token ids and their mask => a vector per caption."""
        return self.model.get_text_features(*inputs).pooler_output
