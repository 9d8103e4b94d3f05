"""A model on disk: a folder in diffusers' layout, safetensors only, with rhinoise.json beside it.

    model_index.json        which component is which class      scheduler/       noise schedule and prediction
    vae/                    the autoencoder                     tokenizer/  text_encoder/
    unet/ or transformer/   the network                         rhinoise.json    what diffusers cannot say
    README.md               the model card

What diffusers has a class for is saved as that class and opens there; what it has none for is saved under
its own class name, in the same places. The folder is written under another name and renamed when complete.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rhinoise.core.config import from_json, to_json
from rhinoise.core.errors import ModelFolderError, RhinoiseError
from rhinoise.core.files import replacing_folder, sha256, write_json, write_text
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import Autoencoder, CentredAutoencoder, IdentityAutoencoder, IdentityConfig
from rhinoise.nets.on_disk import Weights, on_disk
from rhinoise.nets.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from rhinoise.nets.text import FrozenTextEncoder, TextEncoder
from rhinoise.nets.transformer import Transformer, TransformerConfig
from rhinoise.nets.unet import UNet
from rhinoise.nets.uvit import UViT, UViTConfig
from rhinoise.storage import names, schedulers
from rhinoise.storage.card import CARD, card
from rhinoise.storage.description import describe
from rhinoise.storage.index import (
    FACTS,
    FORMAT,
    INDEX,
    OURS,
    STOCK_LIBRARIES,
    WEIGHTS,
    class_of,
    one_line,
    read_facts,
    read_index,
    read_settings,
)

ORDERS = {"ddim": 1, "dpmpp_2m": 2}
"""The order of the stock solver that draws as the model's own sampler does."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The parts of a model, and the facts that go with them."""

    autoencoder: CentredAutoencoder
    text_encoder: TextEncoder | FrozenTextEncoder
    network: nn.Module
    predicts: str
    schedule: ScheduleConfig
    facts: Mapping[str, Any]
    """Plain JSON values that the pipeline reads back: picture size, how it draws by default, its data."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one class of ours stands in a folder: where, under which name, and both ways between."""

    folder: str
    library: str
    name: str
    write: Callable[[Any], tuple[dict[str, Any], dict[str, Tensor]]]
    """Module => config.json and weights."""
    read: Callable[[dict[str, Any], dict[str, Tensor]], nn.Module]
    """The way back."""


def _own(module: type[nn.Module], config: type, folder: str) -> Layout:
    """The layout of a class that diffusers has not: its config and its weights as they are."""

    def read(settings: dict[str, Any], weights: dict[str, Tensor]) -> nn.Module:
        known = {name: value for name, value in settings.items() if not name.startswith("_")}
        made = module(from_json(config, known))
        made.load_state_dict(weights)
        return made

    return Layout(
        folder=folder,
        library="rhinoise",
        name=module.__name__,
        write=lambda made: (to_json(made.config), made.state_dict()),
        read=read,
    )


def _read_autoencoder(settings: dict[str, Any], weights: dict[str, Tensor]) -> Autoencoder:
    autoencoder = Autoencoder(names.autoencoder_from_diffusers(settings))
    autoencoder.load_state_dict(names.autoencoder_state_from_diffusers(weights, settings))
    return autoencoder


def _read_unet(settings: dict[str, Any], weights: dict[str, Tensor]) -> UNet:
    unet = UNet(names.unet_from_diffusers(settings))
    unet.load_state_dict(names.from_diffusers(weights, names.UNET_NAMES))
    return unet


LAYOUTS: dict[type[nn.Module], Layout] = {
    Autoencoder: Layout(
        folder="vae",
        library="diffusers",
        name="AutoencoderKL",
        write=lambda made: (
            names.autoencoder_to_diffusers(made.config),
            names.autoencoder_state_to_diffusers(made),
        ),
        read=_read_autoencoder,
    ),
    UNet: Layout(
        folder="unet",
        library="diffusers",
        name="UNet2DConditionModel",
        write=lambda made: (
            names.unet_to_diffusers(made.config),
            names.to_diffusers(made.state_dict(), names.UNET_NAMES),
        ),
        read=_read_unet,
    ),
    IdentityAutoencoder: _own(IdentityAutoencoder, IdentityConfig, "vae"),
    PatchAutoencoder: _own(PatchAutoencoder, PatchAutoencoderConfig, "vae"),
    Transformer: _own(Transformer, TransformerConfig, "transformer"),
    UViT: _own(UViT, UViTConfig, "transformer"),
}
"""Every class that a model folder can hold, text encoders aside, which transformers writes."""


def save(folder: Path, bundle: Bundle, kind: Weights = "fp32") -> None:
    """Write a model folder, its weights in the type of `kind`.

    An older one there is replaced only when the new one is complete.
    """
    with replacing_folder(folder) as new:
        index: dict[str, Any] = {}
        for part in (bundle.autoencoder, bundle.network):
            layout = LAYOUTS[type(part)]
            config, weights = layout.write(part)
            write_json(new / layout.folder / "config.json", {"_class_name": layout.name} | config)
            save_file(on_disk(weights, kind), new / layout.folder / WEIGHTS, metadata={"format": "pt"})
            index[layout.folder] = [layout.library, layout.name]
        bundle.text_encoder.save(new, kind)
        trained_here = isinstance(bundle.text_encoder, TextEncoder)
        index["text_encoder"] = ["transformers", "CLIPTextModel" if trained_here else "AutoModel"]
        index["tokenizer"] = ["transformers", "CLIPTokenizer" if trained_here else "AutoTokenizer"]
        order = ORDERS.get(bundle.facts.get("sampling", {}).get("sampler"), 1)
        scheduler = schedulers.to_diffusers(bundle.schedule, bundle.predicts, order=order)
        write_json(new / "scheduler" / "scheduler_config.json", scheduler)
        index["scheduler"] = ["diffusers", scheduler["_class_name"]]
        stock = trained_here and all(library in STOCK_LIBRARIES for library, _ in index.values())
        write_json(
            new / INDEX,
            {
                "_class_name": "StableDiffusionPipeline" if stock else "LatentDiffusion",
                "_diffusers_version": "0.42.1",
                OURS: FORMAT,
            }
            | index
            | {
                "safety_checker": [None, None],
                "feature_extractor": [None, None],
                "requires_safety_checker": False,
            },
        )
        sizes = {
            file.relative_to(new).as_posix(): file.stat().st_size
            for file in sorted(new.rglob("*"))
            if file.is_file()
        }
        write_json(
            new / FACTS,
            {"format": FORMAT, "opens_in_diffusers": stock, "predicts": bundle.predicts}
            | {
                "schedule": to_json(bundle.schedule),
                "hash": sha256(new / LAYOUTS[type(bundle.network)].folder / WEIGHTS),
            }
            | {"files": sizes, "facts": {k: v for k, v in bundle.facts.items() if k != "hash"}},
        )
        # Not among the files above: people may write into it.
        write_text(new / CARD, card(describe(new)))


def load(folder: Path) -> Bundle:
    """Read a model folder: one of ours, or a Stable Diffusion folder that diffusers wrote.

    Raises:
        ModelFolderError: it is missing, half written, of a newer version, or holds what rhinoise cannot draw
            or will not open (pickles).
    """
    index = read_index(folder)
    about = read_facts(folder, ours=OURS in index)
    parts = {}
    for place in ("vae", "unet", "transformer"):
        if place in index:
            parts[place] = _read_part(folder / place, class_of(folder, index, place))
    if "vae" not in parts or len(parts) != 2:
        raise ModelFolderError(f"{folder} lacks an autoencoder (vae/) or a network (unet/ or transformer/)")
    if "text_encoder_2" in index:
        raise ModelFolderError(f"{folder} holds two text encoders, and rhinoise draws with one")
    network = parts.get("unet") or parts["transformer"]
    trained_here = class_of(folder, index, "text_encoder") == "CLIPTextModel"
    text_encoder = (TextEncoder if trained_here else FrozenTextEncoder).load(folder)
    schedule, predicts = _read_schedule(folder, about)
    facts = about.get("facts", {}) | {"hash": about.get("hash") or sha256(folder / _place(network) / WEIGHTS)}
    return Bundle(
        autoencoder=parts["vae"],
        text_encoder=text_encoder,
        network=network,
        predicts=predicts,
        schedule=schedule,
        facts=facts,
    )


def _place(network: nn.Module) -> str:
    return LAYOUTS[type(network)].folder


def _read_schedule(folder: Path, about: Mapping[str, Any]) -> tuple[ScheduleConfig, str]:
    if about:
        return about["schedule"], about["predicts"]
    return schedulers.from_diffusers(read_settings(folder / "scheduler" / "scheduler_config.json"))


def _read_part(folder: Path, name: str) -> Any:
    layouts = {layout.name: layout for layout in LAYOUTS.values() if layout.folder == folder.name}
    if name not in layouts:
        raise ModelFolderError(
            f"{folder} holds a {name}, which rhinoise does not draw with; it knows {', '.join(layouts)}"
        )
    file = folder / WEIGHTS
    if not file.is_file():
        found = ", ".join(sorted(other.name for other in folder.glob("*.bin"))) or "none"
        raise ModelFolderError(
            f"{folder} has no {WEIGHTS} (pickled weights there: {found}); only safetensors are opened: "
            "convert it first"
        )
    try:
        return layouts[name].read(read_settings(folder / "config.json"), load_file(file))
    except ModelFolderError:
        raise
    except (RhinoiseError, OSError, ValueError, TypeError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelFolderError(f"{folder} is damaged: {one_line(error)}") from error
