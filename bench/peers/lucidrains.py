"""denoising-diffusion-pytorch: its Unet(64, (1, 2, 4)) on pixels, in the steps of its Trainer, in bf16."""

import torch
from accelerate import Accelerator
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from ema_pytorch import EMA

from bench.child import serve
from bench.timing import seconds_each

SIZE, BATCH = 64, 16
running = {}


def start(precision: str) -> dict[str, float]:
    """Make it => its weights."""
    diffusion = GaussianDiffusion(Unet(dim=64, dim_mults=(1, 2, 4)), image_size=SIZE, timesteps=1000)
    accelerator = Accelerator(mixed_precision=precision, cpu=not torch.cuda.is_available())
    optimizer = torch.optim.Adam(diffusion.parameters(), lr=1e-4, betas=(0.9, 0.99))
    running["ema"] = EMA(diffusion, beta=0.995, update_every=10)
    running["model"], running["optimizer"] = accelerator.prepare(diffusion, optimizer)
    running["accelerator"] = accelerator
    running["images"] = torch.rand(64, 3, SIZE, SIZE)
    return {"weights": sum(p.numel() for p in diffusion.parameters())}


def train(seconds: float) -> float:
    """Images per second."""
    return BATCH / seconds_each(_step, seconds)


def _step() -> None:
    accelerator, model = running["accelerator"], running["model"]
    images = running["images"][torch.randint(64, (BATCH,))].to(accelerator.device)
    with accelerator.autocast():
        loss = model(images)
    loss.item()
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), 1.0)
    running["optimizer"].step()
    running["optimizer"].zero_grad()
    running["ema"].update()


if __name__ == "__main__":
    torch.manual_seed(0)
    serve({"start": start, "train": train})
