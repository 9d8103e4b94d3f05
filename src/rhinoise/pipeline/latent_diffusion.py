"""The parts bound into something that generates: captions => latents => pictures.

Everything that a request can ask for is arranged here around one sampler: guidance and inpainting wrap the
denoiser, image to image starts the sampler half-way. `steps` is a generator: who watches sees every step.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from rhinoise.core.backend import Precision, best_device, float_type, tune_allocator
from rhinoise.core.config import from_json, to_json
from rhinoise.core.random import INITIAL, NoiseSource, noise_source
from rhinoise.core.shapes import Images, Latents, TextEmbedding
from rhinoise.diffusion.guidance import DenoiseBoth, guided, inpainted
from rhinoise.diffusion.level import Denoise, NoiseLevel, Schedule
from rhinoise.diffusion.samplers import SAMPLERS, Step
from rhinoise.diffusion.timesteps import levels
from rhinoise.nets.autoencoder import CentredAutoencoder
from rhinoise.nets.text import FrozenTextEncoder, TextEncoder
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.pipeline.request import GenerateRequest, SamplingConfig, refuse_unlike
from rhinoise.storage import bundle
from rhinoise.storage.bundle import Bundle
from rhinoise.storage.bundled import model_folder
from rhinoise.storage.run_folder import model_in

BATCH = 16
"""Pictures drawn at a time."""
STOCK_SAMPLING = SamplingConfig(sampler="dpmpp_2m", spacing="trailing", steps=25, guidance=7.5)
"""How a folder that rhinoise did not write draws."""


def own_sampling(facts: Mapping[str, Any]) -> SamplingConfig:
    """How the model that these facts are of draws where a request does not say."""
    return from_json(SamplingConfig, facts["sampling"]) if "sampling" in facts else STOCK_SAMPLING


@dataclass(frozen=True, kw_only=True)
class LatentDiffusion:
    """A text encoder, an autoencoder, a denoiser and a noise schedule, on one device."""

    parts: Bundle
    text_encoder: TextEncoder | FrozenTextEncoder
    autoencoder: CentredAutoencoder
    denoiser: Denoiser
    schedule: Schedule
    sampling: SamplingConfig
    size: int
    """Height and width of its pictures, in pixels."""
    device: torch.device

    @classmethod
    def of(
        cls, parts: Bundle, *, precision: Precision = "auto", device: torch.device | None = None
    ) -> "LatentDiffusion":
        """Bind the parts; the network runs in `precision`, the rest in float32, in which it is saved.

        The parts are taken over: frozen, in evaluation mode, on `device`. What is in training goes in as a
        copy.
        """
        tune_allocator()
        device = device or best_device()
        dtype = float_type(precision, device)
        facts, config = parts.facts, cast(Any, parts.network.config)
        autoencoder = parts.autoencoder.eval().requires_grad_(False).to(device)
        network = parts.network.eval().requires_grad_(False)
        if dtype is not torch.float32:
            network = copy.deepcopy(network)
        network = network.to(device, dtype)
        return cls(
            parts=parts,
            text_encoder=parts.text_encoder.eval().to(device),
            autoencoder=autoencoder,
            denoiser=Denoiser(network, parts.predicts, dtype),
            schedule=parts.schedule.build(),
            sampling=own_sampling(facts),
            size=facts.get("size") or config.sample_size * autoencoder.factor,
            device=device,
        )

    @classmethod
    def load(cls, folder: Path | str, *, precision: Precision = "auto") -> "LatentDiffusion":
        """Open a model folder, a run folder that holds one, or "bundled", the model of the package.

        ModelFolderError says what is wrong.
        """
        return cls.of(bundle.load(model_in(model_folder(folder))), precision=precision)

    def save(self, folder: Path) -> None:
        """Write a model folder."""
        bundle.save(folder, replace(self.parts, facts=self.facts | {"sampling": to_json(self.sampling)}))

    @property
    def facts(self) -> dict[str, Any]:
        """What its folder says of it: size, data, recipe, hash."""
        return dict(self.parts.facts)

    def latent_shape(self, size: int) -> tuple[int, int, int]:
        """Channels, rows and columns of the latent of a picture of `size` pixels."""
        side = size // self.autoencoder.factor
        return self.autoencoder.latent_channels, side, side

    # captions => TextEmbedding
    @torch.no_grad()
    def embed(self, captions: Sequence[str]) -> TextEmbedding:
        """What the denoiser is told of each caption; "" is unconditional."""
        return self.text_encoder.encode(captions)

    # images => latents
    @torch.no_grad()
    def encode(self, images: Images) -> Latents:
        """The likeliest centred latent of each picture."""
        return torch.cat([self.autoencoder.encode(part.to(self.device)).mode for part in images.split(BATCH)])

    # latents => images
    @torch.no_grad()
    def decode(self, latents: Latents) -> Images:
        """The picture of each latent, in [-1, 1]."""
        parts = [self.autoencoder.decode(part.to(self.device)) for part in latents.split(BATCH)]
        return torch.cat(parts).clamp(-1, 1)

    def levels(self, request: GenerateRequest) -> list[NoiseLevel]:
        """The noise levels that the request's sampler visits."""
        steps, spacing = request.steps or self.sampling.steps, request.spacing or self.sampling.spacing
        visited = levels(self.schedule, steps, spacing=spacing, start=request.strength)
        return [level.to(self.device) for level in visited]

    def noise(self, *requests: GenerateRequest) -> Latents:
        """What drawing starts from where there is no picture to start from."""
        return self.schedule(torch.ones(1)).to(self.device).std * self._fresh(requests)(INITIAL)

    @torch.no_grad()
    def steps(
        self,
        *requests: GenerateRequest,
        around: Callable[[Denoise], Denoise] = lambda denoise: denoise,
        around_both: Callable[[DenoiseBoth], DenoiseBoth] = lambda both: both,
    ) -> Iterator[Step]:
        """Draw the pictures of all requests as one batch, a Step after each step of the sampler.

        Args:
            requests: what to draw, in the order of the batch; `alike` is the same for all.
            around: wraps what the sampler runs: who watches, or changes, each prediction.
            around_both: the same for the two predictions that guidance compares.

        Raises:
            ConfigError: the requests are not alike.
        """
        refuse_unlike(requests)
        first = requests[0]
        noise = self._fresh(requests)
        visited = self.levels(first)
        denoise = self._denoise(requests, around_both)
        if first.image is None:
            x = self.noise(*requests)
        else:
            original = _each(requests, lambda one: self.encode(cast(Tensor, one.image)))
            x = visited[0].add_noise(original, noise(INITIAL))
            if first.mask is not None:
                mask = _each(requests, lambda one: self._latent_mask(cast(Tensor, one.mask)))
                denoise = inpainted(denoise, original, mask)
        sampler = SAMPLERS[first.sampler or self.sampling.sampler]
        yield from sampler(around(denoise), x, visited, noise=noise)

    def generate(self, request: GenerateRequest) -> Images:
        """Draw the request's pictures, BATCH at a time => "count 3 H W" in [-1, 1]."""
        return torch.cat([self.finish(part, self._last(part)) for part in batches(request)])

    def illustrate(self, prompts: Sequence[str], *, seed: int = 0) -> Iterator[Images]:
        """One picture per prompt, in the model's own way => batches of them; picture i has index i."""
        asked = [GenerateRequest(prompt=prompt, seed=seed, first=i) for i, prompt in enumerate(prompts)]
        for start in range(0, len(asked), BATCH):
            yield self.decode(self._last(*asked[start : start + BATCH]))

    def finish(self, request: GenerateRequest, latents: Latents) -> Images:
        """A sampler's last latents => pictures; outside a mask the original stays."""
        images = self.decode(latents)
        if request.mask is None or request.image is None:
            return images
        original = request.image if request.paste else self.decode(self.encode(request.image))
        return torch.lerp(original.to(images), images, request.mask.to(images))

    def _fresh(self, requests: Sequence[GenerateRequest]) -> NoiseSource:
        """Noise for every step, each picture its own."""
        shape = self.latent_shape(self.size)
        sources = [
            noise_source(one.seed, range(one.first, one.first + one.count), shape, self.device)
            for one in requests
        ]
        return lambda step: torch.cat([source(step) for source in sources])

    def _last(self, *requests: GenerateRequest) -> Latents:
        *_, last = self.steps(*requests)
        return last.x

    def _denoise(
        self,
        requests: Sequence[GenerateRequest],
        around_both: Callable[[DenoiseBoth], DenoiseBoth],
    ) -> Denoise:
        """The Denoise of each request's prompt and negative prompt, and of the guidance that all share."""
        prompts = list(dict.fromkeys(one.prompt for one in requests))
        negatives = list(dict.fromkeys(one.negative for one in requests))
        each = self.embed([*prompts, *negatives]).split()
        told = TextEmbedding.cat([each[prompts.index(one.prompt)].repeat(one.count) for one in requests])
        free = TextEmbedding.cat(
            [each[len(prompts) + negatives.index(one.negative)].repeat(one.count) for one in requests]
        )
        both_texts = TextEmbedding.cat([told, free])
        first = requests[0]

        def both(x: Latents, level: NoiseLevel) -> tuple[Latents, Latents]:
            captioned, uncaptioned = self.denoiser(torch.cat([x, x]), level, both_texts).chunk(2)
            return captioned, uncaptioned

        return guided(
            around_both(both),
            self.denoiser.told(told),
            scale=self.sampling.guidance if first.guidance is None else first.guidance,
            interval=first.guidance_interval,
            rescale=first.guidance_rescale,
        )

    def _latent_mask(self, mask: Tensor) -> Tensor:
        """A pixel mask at the latents' size: a latent is drawn anew when any of its pixels is."""
        return F.max_pool2d(mask.to(self.device), self.autoencoder.factor)


def _each(requests: Sequence[GenerateRequest], made: Callable[[GenerateRequest], Tensor]) -> Tensor:
    """What is made of each request, once for each of its pictures."""
    return torch.cat([made(one).expand(one.count, -1, -1, -1) for one in requests])


def batches(request: GenerateRequest) -> Iterator[GenerateRequest]:
    """The request as requests of at most BATCH pictures, which draw the same pictures."""
    for start in range(0, request.count, BATCH):
        yield replace(request, first=request.first + start, count=min(BATCH, request.count - start))
