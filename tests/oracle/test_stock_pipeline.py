"""A folder of ours, opened by stock diffusers, draws our picture; and the other way round."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

from rhinoise.core.config import to_json
from rhinoise.core.random import INITIAL, noise_source
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import Autoencoder, AutoencoderConfig
from rhinoise.nets.text import TextConfig, TextEncoder
from rhinoise.nets.unet import UNet, UNetConfig
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest, SamplingConfig
from rhinoise.storage.bundle import Bundle
from rhinoise.storage.names import autoencoder_to_diffusers, unet_to_diffusers

STEPS, GUIDANCE, SIZE = 5, 3.0, 32
PROMPT, NEGATIVE = "a rhinoceros on the moon", "blurry"
AUTOENCODER = AutoencoderConfig(
    sample_size=SIZE,
    latent_channels=4,
    block_out_channels=(8, 16, 16),
    layers_per_block=1,
    mid_attention=False,
    norm_num_groups=4,
)
UNET = UNetConfig(
    sample_size=SIZE // 4,
    in_channels=4,
    out_channels=4,
    block_out_channels=(16, 32),
    attention=(False, True),
    heads=(2, 4),
    transformer_layers=(1, 2),
    cross_attention_dim=16,
    layers_per_block=1,
    norm_num_groups=4,
)
TEXT = TextConfig(width=16, layers=1, heads=2, context=12, vocabulary=600)
FLOW = ScheduleConfig(name="flow")
SAID = {
    "flow, first order": ("flow", FLOW, "ddim", "stock_flow"),
    "flow, second order": ("flow", FLOW, "dpmpp_2m", "stock_flow"),
    "flow, shifted": ("flow", ScheduleConfig(name="flow", shift=3.0), "dpmpp_2m", "stock_flow"),
    "x0 on a flow schedule": ("sample", FLOW, "dpmpp_2m", "stock_flow"),
    "v, zero terminal SNR": (
        "v",
        ScheduleConfig(name="scaled_linear", zero_terminal_snr=True),
        "ddim",
        "trailing",
    ),
    "v, cosine": ("v", ScheduleConfig(name="cosine"), "ddim", "trailing"),
    "epsilon": ("epsilon", ScheduleConfig(name="scaled_linear"), "ddim", "trailing"),
    "sample": ("sample", ScheduleConfig(name="linear"), "ddim", "trailing"),
}


def model(predicts: str, schedule: ScheduleConfig, sampler: str, spacing: str) -> LatentDiffusion:
    torch.manual_seed(0)
    autoencoder = Autoencoder(AUTOENCODER)
    autoencoder.set_statistics(torch.tensor([0.3, -0.2, 0.1, 0.0]), torch.tensor([0.5, 1.5, 0.8, 1.2]))
    sampling = SamplingConfig(sampler=sampler, spacing=spacing, steps=STEPS, guidance=GUIDANCE)
    parts = Bundle(
        autoencoder=autoencoder,
        text_encoder=TextEncoder.create(["a rhinoceros", "a hippopotamus on the moon"], TEXT, seed=0),
        network=UNet(UNET),
        predicts=predicts,
        schedule=schedule,
        facts={"size": SIZE, "sampling": to_json(sampling)},
    )
    return LatentDiffusion.of(parts, precision="fp32", device=torch.device("cpu"))


def stock_pictures(pipeline: StableDiffusionPipeline, latents: torch.Tensor) -> torch.Tensor:
    """Their pictures in [0, 1], of our prompt and these first latents."""
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(
        [PROMPT] * len(latents),
        negative_prompt=[NEGATIVE] * len(latents),
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        latents=latents,
        output_type="pt",
    )
    return drawn.images


def our_pictures(ours: LatentDiffusion, request: GenerateRequest) -> torch.Tensor:
    return ours.generate(request) / 2 + 0.5


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_stock_diffusers_draws_our_picture(
    tmp_path: Path, said: tuple[str, ScheduleConfig, str, str]
) -> None:
    ours = model(*said)
    ours.save(tmp_path / "model")
    theirs = StableDiffusionPipeline.from_pretrained(tmp_path / "model", local_files_only=True)
    request = GenerateRequest(prompt=PROMPT, negative=NEGATIVE, seed=5, count=2)
    first = noise_source(5, range(2), ours.latent_shape(SIZE))(INITIAL)
    images = our_pictures(ours, request)
    assert images.std() > 0.02
    torch.testing.assert_close(stock_pictures(theirs, first), images, atol=2 / 255, rtol=0)


@pytest.mark.parametrize("kind", ["flow", "epsilon"])
def test_a_folder_that_diffusers_wrote_opens_here(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(1)
    TextEncoder.create(["a rhinoceros", "a hippopotamus on the moon"], TEXT, seed=0).save(tmp_path / "text")
    scheduler = (
        DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, solver_order=2, steps_offset=1
        )
        if kind == "flow"
        else DDIMScheduler(
            beta_schedule="scaled_linear", timestep_spacing="trailing", clip_sample=False, steps_offset=1
        )
    )
    theirs = StableDiffusionPipeline(
        vae=AutoencoderKL(**autoencoder_to_diffusers(AUTOENCODER) | {"scaling_factor": 0.7}),
        text_encoder=CLIPTextModel.from_pretrained(tmp_path / "text" / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(tmp_path / "text" / "tokenizer"),
        unet=UNet2DConditionModel(**unet_to_diffusers(UNET)),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    theirs.save_pretrained(tmp_path / "theirs")
    ours = LatentDiffusion.load(tmp_path / "theirs", precision="fp32")
    assert ours.size == SIZE
    sampler, spacing = ("dpmpp_2m", "stock_flow") if kind == "flow" else ("ddim", "trailing")
    sampling = SamplingConfig(sampler=sampler, spacing=spacing, steps=STEPS, guidance=GUIDANCE)
    request = GenerateRequest(prompt=PROMPT, negative=NEGATIVE, seed=5, count=2)
    first = noise_source(5, range(2), ours.latent_shape(SIZE))(INITIAL)
    images = our_pictures(replace(ours, sampling=sampling), request)
    torch.testing.assert_close(stock_pictures(theirs, first), images, atol=2 / 255, rtol=0)
    # What was opened is saved as ours, and opens there again.
    replace(ours, sampling=sampling).save(tmp_path / "ours")
    again = StableDiffusionPipeline.from_pretrained(tmp_path / "ours", local_files_only=True)
    torch.testing.assert_close(stock_pictures(again, first), images, atol=2 / 255, rtol=0)
