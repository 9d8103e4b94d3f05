"""A network and what it predicts, as one thing that answers "what is the clean latent?"."""

from dataclasses import dataclass

import torch

from rhinoise.core.shapes import Latents, TextEmbedding
from rhinoise.diffusion.level import Denoise, NoiseLevel
from rhinoise.diffusion.predictions import PREDICTIONS, Prediction
from rhinoise.nets.network import Network


@dataclass(frozen=True)
class Denoiser:
    """`network` answers in the terms of PREDICTIONS[`predicts`]; calling the denoiser gives x0."""

    network: Network
    predicts: str
    dtype: torch.dtype = torch.float32
    """The float type of the network's weights, and so of what it is given."""

    @property
    def prediction(self) -> Prediction:
        """What the network sees, what it is asked for, and how its answer is read."""
        return PREDICTIONS[self.predicts]

    def answer(self, x: Latents, level: NoiseLevel, text: TextEmbedding) -> Latents:
        """What the network itself says, in float32 whatever its own precision."""
        seen = self.prediction.input(level, x).to(self.dtype)
        text = text.to(seen.device, self.dtype)
        return self.network(seen, level.time.expand(len(x)), text).float()

    def __call__(self, x: Latents, level: NoiseLevel, text: TextEmbedding) -> Latents:
        """The predicted clean latent."""
        return self.prediction.x0(level, x, self.answer(x, level, text))

    def told(self, text: TextEmbedding) -> Denoise:
        """The Denoise of one caption per picture, for a sampler."""
        return lambda x, level: self(x, level, text)
