"""A model on disk: a folder in diffusers' layout, safetensors only, with rhinoise.json beside it.

    model_index.json        which component is which class      scheduler/       noise schedule and prediction
    vae/                    the autoencoder                     tokenizer/  text_encoder/
    unet/ or transformer/   the network                         rhinoise.json    what diffusers cannot say

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
from rhinoise.core.files import read_json, replacing_folder, sha256, write_json
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import Autoencoder, CentredAutoencoder, IdentityAutoencoder, IdentityConfig
from rhinoise.nets.on_disk import Weights, on_disk
from rhinoise.nets.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from rhinoise.nets.text import FrozenTextEncoder, TextEncoder
from rhinoise.nets.transformer import Transformer, TransformerConfig
from rhinoise.nets.unet import UNet
from rhinoise.nets.uvit import UViT, UViTConfig
from rhinoise.storage import names, schedulers

FORMAT = 1
"""The version of rhinoise.json; a folder of a newer one is refused."""
FACTS, INDEX, WEIGHTS = "rhinoise.json", "model_index.json", "diffusion_pytorch_model.safetensors"
STOCK_LIBRARIES = ("diffusers", "transformers")
OURS = "_rhinoise_format"
"""In model_index.json, so that a folder of ours without rhinoise.json is known to be half written."""
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
            | {"files": sizes, "facts": dict(bundle.facts)},
        )


def load(folder: Path) -> Bundle:
    """Read a model folder: one of ours, or a Stable Diffusion folder that diffusers wrote.

    Raises:
        ModelFolderError: it is missing, half written, of a newer version, or holds what rhinoise cannot draw
            or will not open (pickles).
    """
    index = _read_index(folder)
    about = _read_facts(folder, ours=OURS in index)
    parts = {}
    for place in ("vae", "unet", "transformer"):
        if place in index:
            parts[place] = _read_part(folder / place, _class_of(folder, index, place))
    if "vae" not in parts or len(parts) != 2:
        raise ModelFolderError(f"{folder} lacks an autoencoder (vae/) or a network (unet/ or transformer/)")
    if "text_encoder_2" in index:
        raise ModelFolderError(f"{folder} holds two text encoders, and rhinoise draws with one")
    network = parts.get("unet") or parts["transformer"]
    trained_here = _class_of(folder, index, "text_encoder") == "CLIPTextModel"
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


def _read_index(folder: Path) -> dict[str, Any]:
    if not (folder / INDEX).is_file():
        raise ModelFolderError(
            f"{folder} is not a model folder (it has no {INDEX}): give a run of `rhinoise train`, or its "
            "model folder"
        )
    return _read_settings(folder / INDEX)


def _read_settings(file: Path) -> dict[str, Any]:
    """A JSON file that holds an object; ModelFolderError when it is missing or holds anything else."""
    try:
        found = read_json(file)
    except OSError:
        raise ModelFolderError(f"the model folder is half written: {file} is missing") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ModelFolderError(f"{file} is damaged: the model folder is half written")
    return found


def _class_of(folder: Path, index: Mapping[str, Any], place: str) -> str:
    """The class that model_index.json names for a component."""
    match index.get(place):
        case [str(), str(name)]:
            return name
    raise ModelFolderError(
        f"{folder} has no {place}: rhinoise draws with a caption, a network and an autoencoder"
    )


def _read_schedule(folder: Path, about: Mapping[str, Any]) -> tuple[ScheduleConfig, str]:
    if about:
        return about["schedule"], about["predicts"]
    return schedulers.from_diffusers(_read_settings(folder / "scheduler" / "scheduler_config.json"))


def _read_facts(folder: Path, *, ours: bool) -> dict[str, Any]:
    """rhinoise.json, checked, its schedule read; empty for a folder that diffusers wrote."""
    if not ours and not (folder / FACTS).is_file():
        return {}
    about = _read_settings(folder / FACTS)
    match about:
        case {"format": int(version)} if version > FORMAT:
            raise ModelFolderError(
                f"{folder} was written by a newer rhinoise (format {version}, this one reads up to "
                f"{FORMAT}): upgrade rhinoise to open it"
            )
        case {
            "format": int(),
            "predicts": str(predicts),
            "schedule": dict(schedule),
            "files": dict(files),
            "facts": dict(),
        } if predicts in PREDICTIONS and isinstance(about.get("hash", ""), str):
            try:
                about["schedule"] = from_json(ScheduleConfig, schedule)
            except RhinoiseError as error:
                raise ModelFolderError(f"{folder / FACTS} is damaged: {_one_line(error)}") from error
        case _:
            raise ModelFolderError(f"{folder / FACTS} is damaged: copy the folder again")
    for name, size in files.items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            raise ModelFolderError(
                f"{folder} is half written: {name} is missing or cut short; copy the folder again"
            )
    return about


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
        return layouts[name].read(_read_settings(folder / "config.json"), load_file(file))
    except ModelFolderError:
        raise
    except (RhinoiseError, OSError, ValueError, TypeError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelFolderError(f"{folder} is damaged: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
