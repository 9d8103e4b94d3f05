"""What AUTOMATIC1111's API asks for: fields that have a counterpart, and tables of those that have none."""

from typing import Annotated, Any, Literal

from pydantic import Field

from rhinoise.server.asks import Name, Text
from rhinoise.server.ignored import ANYTHING, Foreign, Harmless

ALIKE: Harmless = {
    "styles": ([],),
    "subseed": ANYTHING,
    "subseed_strength": (0,),
    "seed_resize_from_h": (0, -1),
    "seed_resize_from_w": (0, -1),
    "restore_faces": (False,),
    "tiling": (False,),
    "do_not_save_samples": ANYTHING,
    "do_not_save_grid": ANYTHING,
    "eta": (0, 1),
    "s_churn": (0,),
    "s_tmax": (0,),
    "s_tmin": (0,),
    "s_noise": (1,),
    "override_settings_restore_afterwards": ANYTHING,
    "script_name": ("",),
    "script_args": ([],),
    "alwayson_scripts": ({},),
    "refiner_checkpoint": ("",),
    "refiner_switch_at": ANYTHING,
    "disable_extra_networks": (False,),
    "firstpass_image": ("",),
    "comments": ANYTHING,
    "force_task_id": ANYTHING,
    "infotext": ("",),
    "save_images": (False,),
}
"""What has no counterpart => where nothing is lost by that."""
TEXT_IGNORED: Harmless = {
    **ALIKE,
    "denoising_strength": ANYTHING,
    "enable_hr": (False,),
    "firstphase_width": (0,),
    "firstphase_height": (0,),
    "hr_scale": ANYTHING,
    "hr_upscaler": ANYTHING,
    "hr_second_pass_steps": ANYTHING,
    "hr_resize_x": ANYTHING,
    "hr_resize_y": ANYTHING,
    "hr_checkpoint_name": ANYTHING,
    "hr_sampler_name": ANYTHING,
    "hr_scheduler": ANYTHING,
    "hr_prompt": ANYTHING,
    "hr_negative_prompt": ANYTHING,
}
"""Of txt2img; the settings hr_... matter only with enable_hr."""
IMAGE_IGNORED: Harmless = {
    **ALIKE,
    "image_cfg_scale": (1.5,),
    "inpainting_fill": (0, 1),
    "inpaint_full_res": (True, False),
    "inpaint_full_res_padding": ANYTHING,
    "initial_noise_multiplier": (1,),
    "latent_mask": ("",),
    "mask_round": (True,),
}
"""Of img2img. The noise is always that of the picture itself, and the whole picture is drawn."""
OPTIONS_IGNORED: Harmless = {
    "samples_format": ("png",),
    "CLIP_stop_at_last_layers": (1,),
    "sd_vae": ("None", "Automatic"),
    "eta_noise_seed_delta": (0,),
    "sd_checkpoint_hash": ANYTHING,
    "enable_pnginfo": (True,),
    "live_previews_enable": ANYTHING,
    "show_progress_every_n_steps": ANYTHING,
}
"""Of options, and of `override_settings`."""
MODEL_OPTION = "sd_model_checkpoint"
RESIZES = {0: "stretch", 1: "crop", 2: "pad"}
"""Their `resize_mode` => how a picture fills a size (`given.FILLS`)."""

Side = Annotated[int, Field(ge=1, le=100_000)]
Number = Annotated[int, Field(ge=1, le=4096)]


class TextAsk(Foreign):
    """Pictures from words."""

    prompt: Text = ""
    negative_prompt: Text | None = ""
    seed: Annotated[int, Field(ge=-1, lt=2**62)] | None = Field(default=-1, description="-1: any.")
    sampler_name: Name | None = None
    sampler_index: Name | None = Field(default=None, description="Where sampler_name is not given.")
    scheduler: Name | None = None
    batch_size: Number = 1
    n_iter: Number = 1
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    cfg_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    width: Side | None = None
    height: Side | None = None
    override_settings: dict[Name, Any] | None = None
    send_images: bool = True

    @property
    def pictures(self) -> int:
        """How many there will be."""
        return self.batch_size * self.n_iter


class ImageAsk(TextAsk):
    """Pictures from words and a picture."""

    init_images: list[str] = Field(default=[], description="One, in base64 or as a data: URI.")
    denoising_strength: Annotated[float, Field(gt=0, le=1)] = 0.75
    mask: str | None = Field(default=None, description="White: drawn anew.")
    mask_blur: Annotated[float, Field(ge=0, le=64)] = 4.0
    inpainting_mask_invert: bool = False
    resize_mode: Literal[0, 1, 2] = 0
    include_init_images: bool = False
