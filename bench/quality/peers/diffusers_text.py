"""diffusers' text-to-image example on latents: its AutoencoderKL first, then UNet2DConditionModel.

The networks have the sizes of our recipe `stock`, which were chosen for two cores. The denoiser's settings
are those of the text-to-image script (AdamW 1e-4, weight decay 0.01, constant rate, batch 16, DDPM with
Stable Diffusion's betas, epsilon prediction, its average), the captions hidden in a tenth of the cases, as
guidance needs. Kindnesses: latents are encoded once and kept, no warm-up, bf16, and 1e-3 for the
autoencoder as our recipe has it.
"""

from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from diffusers.training_utils import EMAModel
from torch.nn import functional as F

from bench.child import serve
from bench.quality.contestants import STEPS
from bench.quality.peers.average import weights_of
from bench.quality.peers.training import Given, Peer, Training

AUTOENCODER = 0.3
"""The autoencoder's part of the budget: what our recipe with these networks gives it."""
HIDDEN = 0.1
GUIDANCE = 3.0
"""Our recipes' own."""
KL_WEIGHT = 1e-6
BETAS = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
}


class Text(Peer):
    """The autoencoder's loop, then the script's."""

    def __init__(self, given: Given, seed: int) -> None:
        super().__init__(given, seed)
        size, width = given.pictures.shape[-1], given.tokens.shape[-1]
        self.autoencoder = AutoencoderKL(
            sample_size=size,
            block_out_channels=(16, 64, 128),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            latent_channels=4,
            norm_num_groups=16,
            layers_per_block=1,
            mid_block_add_attention=False,
        )
        self.network = UNet2DConditionModel(
            sample_size=size // 4,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(128, 256),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2),
            cross_attention_dim=width,
            attention_head_dim=4,
        )
        self.noising = DDPMScheduler(**BETAS)
        self.autoencoder_optimizer = torch.optim.AdamW(self.autoencoder.parameters(), lr=1e-3)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-4, weight_decay=1e-2)
        self.ema = EMAModel(self.network.parameters(), decay=0.9999)
        self.latents: torch.Tensor | None = None
        self.free = self.given.asked_tokens[-1:], self.given.asked_mask[-1:]

    def step(self, number: int, part: float) -> float:
        if self.latents is None and part < AUTOENCODER:
            return self.autoencoder_step(self.images(self.batch(number)))
        if self.latents is None:
            self.latents = self.encoded()
        return self.network_step(self.batch(number))

    def autoencoder_step(self, images: torch.Tensor) -> float:
        """Pictures through few numbers: squared error, and a little of the distance to a Gaussian."""
        with torch.autocast("cpu", torch.bfloat16):
            posterior = self.autoencoder.encode(images).latent_dist
            again = self.autoencoder.decode(posterior.sample()).sample
        loss = F.mse_loss(again.float(), images) + KL_WEIGHT * posterior.kl().float().mean()
        self.update(self.autoencoder, self.autoencoder_optimizer, loss)
        return loss.item()

    @torch.no_grad()
    def encoded(self) -> torch.Tensor:
        """Every training picture's latent, scaled to unit variance."""
        everything = torch.arange(len(self.given.pictures))
        with torch.autocast("cpu", torch.bfloat16):
            parts = [
                self.autoencoder.encode(self.images(chosen)).latent_dist.mode().float()
                for chosen in everything.split(64)
            ]
        latents = torch.cat(parts)
        self.autoencoder.register_to_config(scaling_factor=1 / latents.std().item())
        return latents * self.autoencoder.config.scaling_factor

    def network_step(self, chosen: torch.Tensor) -> float:
        """Noise latents, ask for the noise."""
        assert self.latents is not None
        latents = self.latents[chosen]
        noise, times = torch.randn_like(latents), torch.randint(0, 1000, (len(latents),))
        hidden = torch.rand(len(latents)) < HIDDEN
        tokens = torch.where(hidden[:, None, None], self.free[0], self.given.tokens[chosen])
        mask = torch.where(hidden[:, None], self.free[1], self.given.mask[chosen])
        with torch.autocast("cpu", torch.bfloat16):
            noisy = self.noising.add_noise(latents, noise, times)
            answer = self.network(noisy, times, tokens.float(), encoder_attention_mask=mask).sample
        loss = F.mse_loss(answer.float(), noise)
        self.update(self.network, self.optimizer, loss)
        self.ema.step(self.network.parameters())
        return loss.item()

    def update(self, network: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        """Backward, clip, step."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    def draw(self, weights: str, rows: range) -> torch.Tensor:
        asked = slice(rows.start, rows.stop)
        count, (free_tokens, free_mask) = len(rows), self.free
        told_tokens = self.given.asked_tokens[asked].float()
        tokens = torch.cat([told_tokens, free_tokens.float().expand(count, -1, -1)])
        mask = torch.cat([self.given.asked_mask[asked], free_mask.expand(count, -1)])
        sampler = DPMSolverMultistepScheduler(**BETAS)
        sampler.set_timesteps(STEPS)
        side = self.network.config.sample_size
        x = torch.randn(count, 4, side, side)
        with weights_of(self.network, self.ema, weights):
            for time in sampler.timesteps:
                answer = self.network(torch.cat([x, x]), time, tokens, encoder_attention_mask=mask).sample
                told, free = answer.float().chunk(2)
                x = sampler.step(free + GUIDANCE * (told - free), time, x).prev_sample
        return self.autoencoder.decode(x / self.autoencoder.config.scaling_factor).sample

    def state(self) -> dict[str, Any]:
        parts = ("autoencoder", "network", "autoencoder_optimizer", "optimizer", "ema")
        state = {name: getattr(self, name).state_dict() for name in parts}
        return state | {"latents": self.latents, "scaling_factor": self.autoencoder.config.scaling_factor}

    def load_state(self, state: dict[str, Any]) -> None:
        self.latents = state.pop("latents")
        self.autoencoder.register_to_config(scaling_factor=state.pop("scaling_factor"))
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)

    def parameters(self) -> int:
        networks = (self.autoencoder, self.network)
        return sum(parameter.numel() for network in networks for parameter in network.parameters())


if __name__ == "__main__":
    serve(Training(Text, by_caption=True).verbs())
