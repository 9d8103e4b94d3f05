"""Captions => TextEmbedding: trained here, or frozen. The home of transformers and tokenizers."""

from rhinoise.nets.text.clip import TextConfig, TextEncoder
from rhinoise.nets.text.frozen import FROZEN_TEXT, FrozenTextEncoder

__all__ = ["FROZEN_TEXT", "FrozenTextEncoder", "TextConfig", "TextEncoder"]
