"""diffusers' UNet2DConditionModel in the loop of its text-to-image example (accelerate, AdamW, clipping).

Latents and text states are kept ready, as they are for us, and neither side averages weights.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from safetensors.torch import load_file

from bench.child import serve
from bench.timing import seconds_each

PICTURES, TOKENS = 64, 16
PROBE = "probe.safetensors"
running = {}


def start(folder: str, batch: int, tuned: bool, precision: str) -> dict[str, float]:
    """Open the network => how far its answer is from ours, and its weights. `tuned`: our memory settings."""
    if tuned:
        from rhinoise.core.backend import tune_allocator

        tune_allocator()
    unet = UNet2DConditionModel.from_pretrained(folder)
    probe = load_file(Path(folder) / PROBE)
    with torch.no_grad():
        answer = unet(probe["x"], probe["time"], probe["text"]).sample
    unet.train()
    accelerator = Accelerator(mixed_precision=precision, cpu=not torch.cuda.is_available())
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4, weight_decay=1e-2)
    rate = get_scheduler("constant", optimizer=optimizer)
    running.update(
        zip(("unet", "optimizer", "rate"), accelerator.prepare(unet, optimizer, rate), strict=True)
    )
    running["accelerator"] = accelerator
    running["noise"] = DDPMScheduler(beta_schedule="scaled_linear")
    channels, size = unet.config.in_channels, unet.config.sample_size
    running["latents"] = torch.randn(PICTURES, channels, size, size)
    running["texts"] = torch.randn(PICTURES, TOKENS, unet.config.cross_attention_dim)
    running["batch"] = batch
    return {
        "difference": (answer - probe["answer"]).abs().max().item(),
        "weights": sum(p.numel() for p in unet.parameters()),
    }


def train(seconds: float) -> float:
    """Images per second."""
    return running["batch"] / seconds_each(_step, seconds)


def _step() -> None:
    accelerator, unet, noise_schedule = running["accelerator"], running["unet"], running["noise"]
    chosen = torch.randint(PICTURES, (running["batch"],))
    latents = running["latents"][chosen].to(accelerator.device)
    text = running["texts"][chosen].to(accelerator.device)
    with accelerator.accumulate(unet):
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, noise_schedule.config.num_train_timesteps, (len(latents),))
        timesteps = timesteps.to(latents.device)
        noisy = noise_schedule.add_noise(latents, noise, timesteps)
        with accelerator.autocast():
            answer = unet(noisy, timesteps, text, return_dict=False)[0]
        loss = F.mse_loss(answer.float(), noise.float(), reduction="mean")
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(unet.parameters(), 1.0)
        running["optimizer"].step()
        running["rate"].step()
        running["optimizer"].zero_grad()
    loss.detach().item()


if __name__ == "__main__":
    torch.manual_seed(0)
    serve({"start": start, "train": train})
