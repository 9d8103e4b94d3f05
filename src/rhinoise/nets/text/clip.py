"""The text encoder that is trained here: a small CLIP text transformer (Radford et al. 2021), its own tokens.

On disk it is a CLIPTextModel and a CLIPTokenizer, so that stock diffusers opens it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError, ModelFolderError
from rhinoise.core.files import read_json, write_json
from rhinoise.core.shapes import TextEmbedding
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.nets.on_disk import Weights, on_disk
from rhinoise.nets.text.pieces import Piece
from rhinoise.nets.text.tokenizer import (
    SMALLEST_VOCABULARY,
    Tokenizer,
    load_tokenizer,
    rules,
    save_tokenizer,
    train_tokenizer,
)
from rhinoise.nets.text.transformer import TextTransformer
from rhinoise.nets.text.weights import safe_weights

PREFIX = "text_model."
"""What weight names begin with on disk. Older and newer transformers read it; newer ones alone do without."""


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The size of a text encoder; `context` is its number of tokens per caption, start and end included."""

    width: int
    layers: int
    heads: int
    context: int
    vocabulary: int = 4096
    """At most so many tokens; fewer when the captions hold fewer pairs of letters that occur twice."""

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.heads) < 1:
            raise ConfigError(
                "width, layers and heads of a text encoder are 1 or more, not "
                f"{self.width}, {self.layers} and {self.heads}"
            )
        if self.width % self.heads:
            raise ConfigError(
                f"a text encoder's width is a multiple of its heads; {self.width} / {self.heads} is not"
            )
        if self.vocabulary < SMALLEST_VOCABULARY:
            raise ConfigError(
                f"a vocabulary holds every byte, twice: {SMALLEST_VOCABULARY} or more, not {self.vocabulary}"
            )
        if self.context < 3:
            raise ConfigError(f"a context holds start, end and a token at least: 3, not {self.context}")


class TextEncoder(nn.Module):
    """Captions => TextEmbedding, with weights to train in `model`.

    `tokens` are the last hidden states of all `context` positions: as in CLIP, short captions are padded with
    the end token and the padding is not masked inside the transformer (which is causal). `mask` is true up to
    the first end token; `pooled` is the hidden state there.
    """

    def __init__(self, model: TextTransformer, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def create(cls, captions: Sequence[str], config: TextConfig, *, seed: int) -> "TextEncoder":
        """A tokenizer learnt from `captions` and a transformer with random weights, a function of `seed`."""
        tokenizer = train_tokenizer(captions, vocabulary=config.vocabulary, context=config.context)
        settings = {
            "architectures": ["CLIPTextModel"],
            "model_type": "clip_text_model",
            "dtype": "float32",
            "vocab_size": len(tokenizer.vocabulary),
            "hidden_size": config.width,
            "intermediate_size": 4 * config.width,
            "projection_dim": config.width,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "max_position_embeddings": config.context,
            "bos_token_id": tokenizer.start,
            "eos_token_id": tokenizer.end,
            "pad_token_id": tokenizer.end,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(TextTransformer(settings), tokenizer)

    @property
    def config(self) -> TextConfig:
        """The size of this encoder, `vocabulary` being what came out."""
        settings = self.model.settings
        return TextConfig(
            width=settings["hidden_size"],
            layers=settings["num_hidden_layers"],
            heads=settings["num_attention_heads"],
            context=settings["max_position_embeddings"],
            vocabulary=settings["vocab_size"],
        )

    @property
    def context(self) -> int:
        """The number of tokens per caption."""
        return self.config.context

    @property
    def width(self) -> int:
        """The width of `TextEmbedding.tokens`."""
        return self.config.width

    @property
    def pooled_width(self) -> int:
        """The width of `TextEmbedding.pooled`."""
        return self.width

    @property
    def fingerprint(self) -> str:
        """A hash of the weights and the tokens: equal fingerprints, equal embeddings."""
        return fingerprint(self.model, rules(self.tokenizer.words))

    def too_long(self, captions: Sequence[str]) -> int:
        """How many captions have more tokens than the context holds, and are cut."""
        return self.tokenizer.too_long(captions)

    def pieces(self, caption: str) -> list[Piece]:
        """Every token of a caption, those that are cut among them."""
        return self.tokenizer.pieces(caption)

    def tokenize(self, captions: Sequence[str]) -> Int[Tensor, "b l"]:
        """Captions => ids, `context` each; what is too long is cut, "" is unconditional."""
        return torch.tensor(self.tokenizer.ids(captions))

    def forward(self, ids: Int[Tensor, "b l"]) -> TextEmbedding:
        """Ids => TextEmbedding, with gradients; moves the ids to the model's device."""
        ids = ids.to(self.model.final_layer_norm.weight.device)
        states = self.model(ids)
        ends = (ids == self.tokenizer.end).int()
        mask = ends.cumsum(dim=1) - ends == 0  # no end token before this position
        pooled = states[torch.arange(len(ids), device=ids.device), mask.sum(dim=1) - 1]
        return TextEmbedding(tokens=states, mask=mask, pooled=pooled)

    def encode(self, captions: Sequence[str]) -> TextEmbedding:
        """Captions => TextEmbedding, with gradients."""
        return self(self.tokenize(captions))

    def save(self, folder: Path, kind: Weights = "fp32") -> None:
        """Write `folder`/tokenizer and `folder`/text_encoder, as diffusers lays them out."""
        save_tokenizer(self.tokenizer, folder / "tokenizer")
        to = folder / "text_encoder"
        write_json(to / "config.json", self.model.settings)
        weights = {PREFIX + name: weight for name, weight in self.model.state_dict().items()}
        save_file(on_disk(weights, kind), to / "model.safetensors", metadata={"format": "pt"})

    @classmethod
    def load(cls, folder: Path) -> "TextEncoder":
        """Read what `save` wrote; ModelFolderError when it is missing, half written, foreign or unsafe."""
        where = folder / "text_encoder"
        file = safe_weights(where)
        tokenizer = load_tokenizer(folder / "tokenizer")
        try:
            settings = read_json(where / "config.json")
            if settings.get("architectures") != ["CLIPTextModel"]:
                raise ModelFolderError(f"{where} is a {settings.get('architectures')}, not a CLIPTextModel")
            model = TextTransformer(settings)
            weights = {name.removeprefix(PREFIX): weight for name, weight in load_file(file).items()}
            model.load_state_dict(weights)
        except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelFolderError(f"the text encoder in {where} is damaged: {error}") from error
        if tokenizer.context > model.settings["max_position_embeddings"]:
            raise ModelFolderError(
                f"{folder} is damaged: its tokenizer gives {tokenizer.context} tokens, and its text encoder "
                f"takes {model.settings['max_position_embeddings']}"
            )
        return cls(model, tokenizer)
