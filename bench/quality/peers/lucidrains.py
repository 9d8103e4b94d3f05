"""denoising-diffusion-pytorch: its Unet and GaussianDiffusion, with the settings of its Trainer.

Adam 1e-4 with betas 0.9 and 0.99, batch 16, gradients clipped at 1, an average of 0.995 every 10 steps,
velocity prediction on the sigmoid schedule; its README's Unet(64), with the widths 1, 2, 4 instead of 1, 2,
4, 8: 9.9 M parameters. Kindnesses: bf16, and no mirrored pictures, which the Trainer adds and the data has
not. It draws anything: its variant by class would have one class per picture here, and none for the held-out.
"""

from typing import Any

import torch
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from ema_pytorch import EMA

from bench.child import serve
from bench.quality.contestants import STEPS
from bench.quality.peers.training import Given, Peer, Training


class Lucidrains(Peer):
    """The Trainer's loop."""

    def __init__(self, given: Given, seed: int) -> None:
        super().__init__(given, seed)
        self.diffusion = GaussianDiffusion(
            Unet(64, dim_mults=(1, 2, 4)), image_size=given.pictures.shape[-1], sampling_timesteps=STEPS
        )
        self.optimizer = torch.optim.Adam(self.diffusion.parameters(), lr=1e-4, betas=(0.9, 0.99))
        self.ema = EMA(self.diffusion, beta=0.995, update_every=10, include_online_model=False)

    def step(self, number: int, part: float) -> float:
        images = (self.images(self.batch(number)) + 1) / 2  # it takes [0, 1]
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.diffusion(images)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.diffusion.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update()
        return loss.item()

    def draw(self, weights: str, rows: range) -> torch.Tensor:
        diffusion = {"raw": self.diffusion, "ema": self.ema.ema_model}[weights]
        return diffusion.sample(batch_size=len(rows)) * 2 - 1

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("diffusion", "optimizer", "ema")}

    def load_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.diffusion.parameters())


if __name__ == "__main__":
    serve(Training(Lucidrains, by_caption=False).verbs())
