"""CLIP's text transformer (Radford et al. 2021): causal, normalised first, as small as its settings say.

Its weights and settings have the names that transformers gives those of CLIPTextModel, and its states are the
same: what is saved from here opens there. It is our own because importing that class takes three times as
long as everything else that drawing a picture imports.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from rhinoise.core.errors import ModelFolderError

DEFAULTS: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
"""What a config.json that does not say means: CLIP's own first model."""

ACTIVATIONS = {"quick_gelu": lambda x: x * torch.sigmoid(1.702 * x), "gelu": F.gelu}


class Embeddings(nn.Module):
    """A vector per token and one per place."""

    def __init__(self, vocabulary: int, places: int, width: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(places, width)

    def forward(self, ids: Int[Tensor, "b l"]) -> Float[Tensor, "b l d"]:
        """Ids => their vectors, the places' added."""
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]


class CausalAttention(nn.Module):
    """Every token sees itself and those before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        """Tokens => what each has seen."""
        projected = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        q, k, v = (rearrange(p, "b l (n d) -> b n l d", n=self.heads) for p in projected)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(rearrange(seen, "b n l d -> b l (n d)"))


class Mlp(nn.Module):
    """A hidden layer, for every token by itself."""

    def __init__(self, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        """Tokens => tokens."""
        return self.fc2(self.activation(self.fc1(x)))


class Layer(nn.Module):
    """Two residual steps: look back, think."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width, eps = settings["hidden_size"], settings["layer_norm_eps"]
        self.self_attn = CausalAttention(width, settings["num_attention_heads"])
        self.layer_norm1 = nn.LayerNorm(width, eps)
        self.mlp = Mlp(width, settings["intermediate_size"], settings["hidden_act"])
        self.layer_norm2 = nn.LayerNorm(width, eps)

    def forward(self, x: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        """Tokens => tokens."""
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Layers(nn.Module):
    """The layers, one after the other, under the name that transformers gives them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings["num_hidden_layers"]))

    def forward(self, x: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        """Tokens => tokens."""
        for layer in self.layers:
            x = layer(x)
        return x


class TextTransformer(nn.Module):
    """Ids => the last hidden state of every token. `settings` are a config.json's.

    ModelFolderError when they contradict each other, or `hidden_act` is none of ACTIVATIONS.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.settings = DEFAULTS | dict(settings)
        if self.settings["hidden_act"] not in ACTIVATIONS:
            raise ModelFolderError(
                f"a CLIP text encoder activates by {' or '.join(ACTIVATIONS)}, not "
                f"'{self.settings['hidden_act']}'"
            )
        width, heads = self.settings["hidden_size"], self.settings["num_attention_heads"]
        if width % heads:
            raise ModelFolderError(f"a text encoder of width {width} cannot have {heads} heads of one width")
        self.embeddings = Embeddings(
            self.settings["vocab_size"], self.settings["max_position_embeddings"], width
        )
        self.encoder = Layers(self.settings)
        self.final_layer_norm = nn.LayerNorm(width, self.settings["layer_norm_eps"])
        self._start()

    def forward(self, ids: Int[Tensor, "b l"]) -> Float[Tensor, "b l d"]:
        """Ids => states; at most as many as there are places."""
        return self.final_layer_norm(self.encoder(self.embeddings(ids)))

    def _start(self) -> None:
        """First weights: the deeper the network, the less each residual step adds at first."""
        width, depth = self.settings["hidden_size"], self.settings["num_hidden_layers"]
        small = width**-0.5 * (2 * depth) ** -0.5
        deviations = {
            "token_embedding": 0.02,
            "position_embedding": 0.02,
            "q_proj": small,
            "k_proj": small,
            "v_proj": small,
            "out_proj": width**-0.5,
            "fc1": (2 * width) ** -0.5,
            "fc2": small,
        }
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding | nn.Linear):
                nn.init.normal_(module.weight, std=deviations[name.rpartition(".")[2]])
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
