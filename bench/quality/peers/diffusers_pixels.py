"""diffusers' unconditional example: UNet2DModel on pixels, DDPM with 1,000 steps, epsilon prediction.

Settings are those of its unconditional image generation script (AdamW 1e-4, betas 0.95 and 0.999, batch 16,
average with power 3/4), with three kindnesses: a network of 15.7 M instead of 114 M parameters, no warm-up
(its 500 steps would outlast the first budgets), bf16.
"""

from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch.nn import functional as F

from bench.child import serve
from bench.quality.contestants import STEPS
from bench.quality.peers.average import weights_of
from bench.quality.peers.training import Given, Peer, Training


class Pixels(Peer):
    """The script's loop."""

    def __init__(self, given: Given, seed: int) -> None:
        super().__init__(given, seed)
        self.network = UNet2DModel(
            sample_size=given.pictures.shape[-1],
            in_channels=3,
            out_channels=3,
            layers_per_block=2,
            block_out_channels=(64, 128, 256),
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        )
        self.noising = DDPMScheduler(num_train_timesteps=1000)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        self.ema = EMAModel(
            self.network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75
        )

    def step(self, number: int, part: float) -> float:
        images = self.images(self.batch(number))
        noise, times = torch.randn_like(images), torch.randint(0, 1000, (len(images),))
        with torch.autocast("cpu", torch.bfloat16):
            answer = self.network(self.noising.add_noise(images, noise, times), times).sample
        loss = F.mse_loss(answer.float(), noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.network.parameters())
        return loss.item()

    def draw(self, weights: str, rows: range) -> torch.Tensor:
        sampler = DDIMScheduler(num_train_timesteps=1000)
        sampler.set_timesteps(STEPS)
        size = self.network.config.sample_size
        x = torch.randn(len(rows), 3, size, size)
        with weights_of(self.network, self.ema, weights):
            for time in sampler.timesteps:
                x = sampler.step(self.network(x, time).sample.float(), time, x).prev_sample
        return x

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("network", "optimizer", "ema")}

    def load_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())


if __name__ == "__main__":
    serve(Training(Pixels, by_caption=False).verbs())
