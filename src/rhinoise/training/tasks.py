"""What each stage learns: modules whose `forward(batch)` gives losses, their sum under "loss".

A task draws no random number: all chance comes with the batch. So `fit` knows nothing of diffusion, and a
stage is a handful of lines.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from rhinoise.core.shapes import Images, TextEmbedding
from rhinoise.diffusion.level import Schedule
from rhinoise.diffusion.objective import ObjectiveConfig, loss, loss_weight, sample_times
from rhinoise.nets.autoencoder import CentredAutoencoder
from rhinoise.nets.contrastive import ImageTower, collapse
from rhinoise.nets.discriminator import PatchDiscriminator
from rhinoise.nets.features import Features
from rhinoise.nets.text import TextEncoder
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.training.batches import CaptionedBatch, DenoisingBatch, ImageBatch

Losses = dict[str, Float[Tensor, ""]]

TextTraining = Literal["contrastive", "joint", "random"]
"""How the text encoder gets its weights: in a stage of its own, along with the denoiser, or not at all."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderLosses:
    """How much each error of a reconstruction counts; 0 leaves a term out."""

    absolute: float = 1.0
    squared: float = 1.0
    kl: float = 1e-6
    """Per latent number; so small that it only keeps latents from drifting (Rombach et al. 2022, app. G)."""
    perceptual: float = 0.0
    """Distance between feature maps (Zhang et al. 2018)."""
    perceptual_features: str = "random_conv"
    """A name in FEATURES. What a model is trained on must not judge it afterwards."""
    adversarial: float = 0.0
    """The opinion of a PatchGAN discriminator (Esser et al. 2021)."""
    adversarial_start: float = 0.5
    """Fraction of the training after which the discriminator is heard."""


def _summed(losses: Losses) -> Losses:
    """The same, and their sum."""
    return losses | {"loss": torch.stack(list(losses.values())).sum()}


class AutoencoderTask(nn.Module):
    """Encode, sample, decode, compare."""

    def __init__(
        self,
        autoencoder: CentredAutoencoder,
        losses: AutoencoderLosses,
        *,
        discriminator: PatchDiscriminator | None = None,
        features: Features | None = None,
    ) -> None:
        super().__init__()
        self.autoencoder, self.discriminator = autoencoder, discriminator
        self.weights, self.features = losses, features

    def forward(self, batch: ImageBatch) -> Losses:
        """The errors of the reconstruction, and the KL divergence from the unit Gaussian."""
        posterior = self.autoencoder.encode(batch.images)
        images = self.autoencoder.decode(posterior.sample(batch.noise)).float()
        error = images - batch.images
        losses = {
            "absolute": self.weights.absolute * error.abs().mean(),
            "squared": self.weights.squared * error.square().mean(),
            "kl": self.weights.kl * posterior.kl.mean() / batch.noise[0].numel(),
        }
        if self.features is not None:
            losses["perceptual"] = self.weights.perceptual * _perceptual(self.features, images, batch.images)
        if self.discriminator is not None and batch.progress >= self.weights.adversarial_start:
            losses |= self._adversarial(self.discriminator, images, batch.images)
        return _summed(losses)

    def _adversarial(self, critic: PatchDiscriminator, images: Images, real: Images) -> Losses:
        """Hinge losses of both players in one pass (Lim & Ye 2017).

        The autoencoder's term takes the critic's weights as constants, the critic's terms take the picture as
        one: a single backward gives each player its own gradient.
        """
        constants = {name: weight.detach() for name, weight in critic.named_parameters()}
        opinion = functional_call(critic, constants, (images,))
        critic_loss = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(images.detach())).mean()
        return {"adversarial": -self.weights.adversarial * opinion.mean(), "critic": critic_loss}


def _perceptual(features: Features, images: Images, wanted: Images) -> Float[Tensor, ""]:
    pairs = zip(features.maps(images), features.maps(wanted), strict=True)
    return torch.stack([F.mse_loss(F.normalize(drawn), F.normalize(real)) for drawn, real in pairs]).mean()


class ContrastiveTask(nn.Module):
    """Captions find their pictures, and pictures their captions (Radford et al. 2021), by all words."""

    def __init__(self, text_encoder: TextEncoder, tower: ImageTower) -> None:
        super().__init__()
        self.text_encoder, self.tower = text_encoder, tower

    def forward(self, batch: CaptionedBatch) -> Losses:
        """The symmetric cross-entropy over the batch, and the collapse of the encoder's states, in nats."""
        text = self.text_encoder(batch.tokens)
        collapsed = collapse(text.pooled) + collapse(text.tokens[text.mask])
        losses = {
            "contrastive": self.tower.loss(batch.images, text.pooled),
            "collapse": self.tower.config.collapse * collapsed,
        }
        return _summed(losses)


class DenoisingTask(nn.Module):
    """Noise a latent, ask for it back (Ho et al. 2020, algorithm 1)."""

    def __init__(
        self,
        denoiser: Denoiser,
        schedule: Schedule,
        objective: ObjectiveConfig,
        *,
        unconditional: TextEmbedding | Int[Tensor, "1 l"],
        text_encoder: TextEncoder | None = None,
    ) -> None:
        super().__init__()
        self.network, self.text_encoder = denoiser.network, text_encoder
        self.denoiser, self.schedule, self.objective = denoiser, schedule, objective
        self.unconditional = unconditional

    def forward(self, batch: DenoisingBatch) -> Losses:
        """The weighted squared error of the network's answer."""
        prediction = self.denoiser.prediction
        level = self.schedule(sample_times(self.objective, self.schedule, batch.uniforms))
        x = level.add_noise(batch.x0, batch.eps)
        answer = self.denoiser.answer(x, level, self._told(batch))
        weight = loss_weight(self.objective, prediction, level)
        return {"loss": loss(prediction, weight, level, batch.x0, batch.eps, answer).mean()}

    def _told(self, batch: DenoisingBatch) -> TextEmbedding:
        """The captions, or the unconditional one where they are hidden."""
        if isinstance(batch.text, TextEmbedding):
            assert isinstance(self.unconditional, TextEmbedding)
            return _where(batch.dropped, self.unconditional.to(batch.dropped.device), batch.text)
        assert self.text_encoder is not None
        assert isinstance(self.unconditional, Tensor)
        return self.text_encoder(
            torch.where(batch.dropped[:, None], self.unconditional.to(batch.text), batch.text)
        )


def _where(chosen: Bool[Tensor, "b"], one: TextEmbedding, other: TextEmbedding) -> TextEmbedding:
    return TextEmbedding(
        tokens=torch.where(chosen[:, None, None], one.tokens, other.tokens),
        mask=torch.where(chosen[:, None], one.mask, other.mask),
        pooled=torch.where(chosen[:, None], one.pooled, other.pooled),
    )
