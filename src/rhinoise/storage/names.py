"""Our names for weights and settings <=> diffusers' names: tables, read in both directions.

A name is a path of dotted pieces; a row of a table gives one or two pieces of ours, and those that stand
for them in diffusers. What no row mentions keeps its name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from rhinoise.core.errors import ModelFolderError
from rhinoise.nets.autoencoder import Autoencoder, AutoencoderConfig, folded, unfolded
from rhinoise.nets.unet import UNetConfig

_BLOCKS = {
    "down": "down_blocks",
    "mid": "mid_block",
    "up": "up_blocks",
    "residuals": "resnets",
    "shortcut": "conv_shortcut",
    "downsample": "downsamplers.0",
    "upsample": "upsamplers.0",
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "out": "to_out.0",
    "norm_out": "conv_norm_out",
}

UNET_NAMES = _BLOCKS | {
    "time": "time_emb_proj",
    "project_in": "proj_in",
    "project_out": "proj_out",
    "blocks": "transformer_blocks",
    "self_attention": "attn1",
    "cross_attention": "attn2",
    "feed_forward.expand": "ff.net.0.proj",
    "feed_forward.contract": "ff.net.2",
}
"""`UNet` <=> UNet2DConditionModel."""

AUTOENCODER_NAMES = _BLOCKS | {"norm": "group_norm"}
"""`Autoencoder` <=> AutoencoderKL, the statistics folded in."""


def to_diffusers(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Our weights under diffusers' names."""
    return {_translated(name, names): tensor for name, tensor in state.items()}


def from_diffusers(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """diffusers' weights under our names."""
    inverse = {theirs: ours for ours, theirs in names.items()}
    return {_translated(name, inverse): tensor for name, tensor in state.items()}


def _translated(name: str, names: Mapping[str, str]) -> str:
    rest, translated = name.split("."), []
    while rest:
        # The longest row that fits comes first; a single piece always fits.
        length = next(n for n in range(_LONGEST, 0, -1) if n == 1 or ".".join(rest[:n]) in names)
        piece, rest = ".".join(rest[:length]), rest[length:]
        translated.append(names.get(piece, piece))
    return ".".join(translated)


_LONGEST = max(piece.count(".") + 1 for piece in [*UNET_NAMES.values(), *AUTOENCODER_NAMES.values()])


_UNET_DEFAULTS: dict[str, Any] = {
    "sample_size": None,
    "in_channels": 4,
    "out_channels": 4,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "cross_attention_dim": 1280,
    "transformer_layers_per_block": 1,
    "attention_head_dim": 8,
    "use_linear_projection": False,
}
"""What UNet2DConditionModel takes a setting for when config.json leaves it out."""

_UNET_FIXED: dict[str, Any] = {
    "act_fn": "silu",
    "addition_embed_type_num_heads": 64,
    "attention_type": "default",
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "downsample_padding": 1,
    "dropout": 0.0,
    "mid_block_scale_factor": 1,
    "resnet_out_scale_factor": 1.0,
    "resnet_time_scale_shift": "default",
    "time_embedding_type": "positional",
}
"""The settings that our U-Net knows one value of. Those named nowhere here must be absent, null or false."""

_AUTOENCODER_DEFAULTS: dict[str, Any] = {
    "down_block_types": ["DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D"],
    "block_out_channels": [64],
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "sample_size": 32,
    "mid_block_add_attention": True,
}
"""What AutoencoderKL takes a setting for when config.json leaves it out."""

_AUTOENCODER_FIXED: dict[str, Any] = {
    "act_fn": "silu",
    "in_channels": 3,
    "out_channels": 3,
    "use_quant_conv": True,
    "use_post_quant_conv": True,
}
"""The settings that our autoencoder knows one value of."""

_HARMLESS = ("upcast_attention", "force_upcast")
"""Settings about half precision alone, which change no picture."""

_ATTENTION_MIDDLES = {"UNetMidBlock2DCrossAttn": True, "UNetMidBlock2D": False}


def unet_to_diffusers(config: UNetConfig) -> dict[str, Any]:
    """The settings of a UNet2DConditionModel that draws what our U-Net draws."""
    names = {attention: name for name, attention in _ATTENTION_MIDDLES.items()}
    return {
        "sample_size": config.sample_size,
        "in_channels": config.in_channels,
        "out_channels": config.out_channels,
        "flip_sin_to_cos": config.flip_sin_to_cos,
        "freq_shift": config.freq_shift,
        "down_block_types": _down_types(config.attention),
        "mid_block_type": names[config.mid_attention],
        "up_block_types": _up_types(config.attention),
        "block_out_channels": list(config.block_out_channels),
        "layers_per_block": config.layers_per_block,
        "norm_num_groups": config.norm_num_groups,
        "norm_eps": config.norm_eps,
        "cross_attention_dim": config.cross_attention_dim,
        "transformer_layers_per_block": list(config.transformer_layers),
        # By an old slip in diffusers, this is the number of heads.
        "attention_head_dim": list(config.heads),
        "use_linear_projection": config.use_linear_projection,
    }


def _down_types(attention: Sequence[bool]) -> list[str]:
    return ["CrossAttnDownBlock2D" if looks else "DownBlock2D" for looks in attention]


def _up_types(attention: Sequence[bool]) -> list[str]:
    return ["CrossAttnUpBlock2D" if looks else "UpBlock2D" for looks in reversed(attention)]


def unet_from_diffusers(settings: Mapping[str, Any]) -> UNetConfig:
    """A UNet2DConditionModel's settings as ours; ModelFolderError names those that we do not draw."""
    known = _known(settings, "UNet2DConditionModel", _UNET_DEFAULTS, _UNET_FIXED)
    levels = len(known["block_out_channels"])
    attention = tuple(name == "CrossAttnDownBlock2D" for name in known["down_block_types"])
    _refuse(
        "UNet2DConditionModel",
        known,
        {
            "sample_size": isinstance(known["sample_size"], int),
            "down_block_types": list(known["down_block_types"]) == _down_types(attention),
            "up_block_types": list(known["up_block_types"]) == _up_types(attention),
            "mid_block_type": known["mid_block_type"] in _ATTENTION_MIDDLES,
            "layers_per_block": isinstance(known["layers_per_block"], int),
            "cross_attention_dim": isinstance(known["cross_attention_dim"], int),
        },
    )
    return UNetConfig(
        sample_size=known["sample_size"],
        in_channels=known["in_channels"],
        out_channels=known["out_channels"],
        block_out_channels=tuple(known["block_out_channels"]),
        attention=attention,
        heads=_per_level(known["attention_head_dim"], levels),
        transformer_layers=_per_level(known["transformer_layers_per_block"], levels),
        cross_attention_dim=known["cross_attention_dim"],
        layers_per_block=known["layers_per_block"],
        mid_attention=_ATTENTION_MIDDLES[known["mid_block_type"]],
        use_linear_projection=known["use_linear_projection"],
        norm_num_groups=known["norm_num_groups"],
        norm_eps=known["norm_eps"],
        flip_sin_to_cos=known["flip_sin_to_cos"],
        freq_shift=known["freq_shift"],
    )


def _per_level(value: int | Sequence[int], levels: int) -> tuple[int, ...]:
    return (value,) * levels if isinstance(value, int) else tuple(value)


def autoencoder_to_diffusers(config: AutoencoderConfig) -> dict[str, Any]:
    """The settings of an AutoencoderKL that holds our autoencoder with its statistics folded in."""
    levels = len(config.block_out_channels)
    return _AUTOENCODER_FIXED | {
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": list(config.block_out_channels),
        "layers_per_block": config.layers_per_block,
        "latent_channels": config.latent_channels,
        "norm_num_groups": config.norm_num_groups,
        "sample_size": config.sample_size,
        "mid_block_add_attention": config.mid_attention,
        "scaling_factor": 1.0,
    }


def autoencoder_from_diffusers(settings: Mapping[str, Any]) -> AutoencoderConfig:
    """An AutoencoderKL's settings as ours; ModelFolderError names those that we do not draw."""
    statistics = {"scaling_factor", "shift_factor"}  # read by `autoencoder_state_from_diffusers`
    shape = {name: value for name, value in settings.items() if name not in statistics}
    known = _known(shape, "AutoencoderKL", _AUTOENCODER_DEFAULTS, _AUTOENCODER_FIXED)
    levels = len(known["block_out_channels"])
    _refuse(
        "AutoencoderKL",
        known,
        {
            "down_block_types": list(known["down_block_types"]) == ["DownEncoderBlock2D"] * levels,
            "up_block_types": list(known["up_block_types"]) == ["UpDecoderBlock2D"] * levels,
            "sample_size": isinstance(known["sample_size"], int),
        },
    )
    return AutoencoderConfig(
        sample_size=known["sample_size"],
        latent_channels=known["latent_channels"],
        block_out_channels=tuple(known["block_out_channels"]),
        layers_per_block=known["layers_per_block"],
        mid_attention=known["mid_block_add_attention"],
        norm_num_groups=known["norm_num_groups"],
    )


def autoencoder_state_to_diffusers(autoencoder: Autoencoder) -> dict[str, Tensor]:
    """The weights of an AutoencoderKL with `scaling_factor` 1 that gives our centred latents."""
    return to_diffusers(folded(autoencoder), AUTOENCODER_NAMES)


def autoencoder_state_from_diffusers(
    state: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> dict[str, Tensor]:
    """An AutoencoderKL's weights as the whole state of ours; its scale and shift become statistics."""
    return unfolded(
        from_diffusers(state, AUTOENCODER_NAMES),
        scale=float(settings.get("scaling_factor", 0.18215)),
        shift=float(settings.get("shift_factor") or 0),
    )


def _known(
    settings: Mapping[str, Any], model: str, defaults: Mapping[str, Any], fixed: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings that we have, completed by defaults; ModelFolderError for those that we have not."""
    others = {
        name: value
        for name, value in settings.items()
        if name not in defaults and name not in _HARMLESS and not name.startswith("_")
    }
    _refuse(
        model,
        others,
        {
            name: value == fixed[name] if name in fixed else value in (None, False)
            for name, value in others.items()
        },
    )
    return {name: settings.get(name, default) for name, default in defaults.items()}


def _refuse(model: str, settings: Mapping[str, Any], drawn: Mapping[str, bool]) -> None:
    foreign = [f"{name}={settings[name]!r}" for name, good in drawn.items() if not good]
    if foreign:
        raise ModelFolderError(f"this {model} has settings that rhinoise does not draw: {', '.join(foreign)}")
