"""A picture noised half-way and denoised several times: what the model keeps of it, and what it makes up.

Each time the noise is another, so where the pictures agree the model is sure, and where not, not.
At a strength near 0 only what the autoencoder loses is lost; near 1 all is made up.
"""

from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from rhinoise.core.backend import remarks
from rhinoise.core.errors import ConfigError
from rhinoise.core.files import write_json
from rhinoise.core.images import enlarged, grid, to_pil, to_tensor
from rhinoise.core.random import INITIAL, noise_source
from rhinoise.core.shapes import Images
from rhinoise.evaluation.metrics import psnr, ssim
from rhinoise.explain.measure.variance import deviation, in_words, rms, variance
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.provenance import write_png
from rhinoise.workflows.defaults import DEFAULT_MODEL, DEFAULT_STRENGTH, DEFAULT_TIMES
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.drawing.requests import finished, how, provenance, resolved
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import check_targets, open_model, output_folder, read_picture, squared

STRENGTHS = tuple(step / 10 for step in range(1, 11))
SHOWN = 192
"""Pixels a side that smaller pictures have in the sheet, at least."""


@dataclass(frozen=True, kw_only=True)
class ReconstructRequest:
    """Which picture, how far it is noised, and how often it is brought back."""

    image: Path
    model: Path | str = DEFAULT_MODEL
    """A run, a model folder, or "bundled"."""
    out: Path = Path("reconstruction")
    strength: float | None = None
    """None is DEFAULT_STRENGTH, or with `curve` every one of STRENGTHS."""
    curve: bool = False
    """Do it at all of STRENGTHS, and measure how far the results are from the picture and each other."""
    count: int = DEFAULT_TIMES
    prompt: str = ""
    """What the denoiser is told; without it there is nothing to guide to, and guidance is 1."""
    seed: int = 0
    steps: int | None = None
    fit: str = "pad"
    """How the picture becomes square: pad or crop."""
    precision: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far a picture is from the original: root mean square in bytes (0 to 255), PSNR in dB, and SSIM."""

    rmse: float
    psnr: float
    ssim: float


@device_errors_told("or draw fewer pictures at once (--count)")
def reconstruct(request: ReconstructRequest) -> Generator[Event, None, None]:
    """Write the reconstructions (1.png, 2.png, ...), mean.png, std.png, sheet.png and distances.json.

    With `curve` instead variance.png and variance.json. A RhinoiseError says what is wrong with the request,
    most of it before the model is opened.
    """
    if request.count < 2:
        raise ConfigError(f"a mean and a deviation need at least 2 pictures, not --count {request.count}")
    if request.curve and request.strength is not None:
        raise ConfigError("--curve takes all strengths from 0.1 to 1: leave --strength out")
    asked = GenerateRequest(
        prompt=request.prompt,
        seed=request.seed,
        count=request.count,
        steps=request.steps,
        guidance=None if request.prompt else 1.0,
    )
    out = output_folder(request.out)
    yield from (_curve(request, asked, out) if request.curve else _one_strength(request, asked, out))


def _one_strength(
    request: ReconstructRequest, asked: GenerateRequest, out: Path
) -> Generator[Event, None, None]:
    """The reconstructions of one strength, each a picture."""
    strength = DEFAULT_STRENGTH if request.strength is None else request.strength
    names = [f"{number}.png" for number in range(1, request.count + 1)]
    check_targets([out / name for name in (*names, "mean.png", "std.png", "sheet.png")], request.image)
    model, original = yield from _opened(request)
    asked = resolved(replace(asked, image=original, strength=strength), model)
    yield Said(f"noising and denoising {request.image} {request.count} times: {how(asked)}")

    (again,) = yield from finished(model, [asked])
    mean, spread = again.mean(dim=0, keepdim=True), deviation(again)
    survived = model.decode(model.encode(original)).cpu()

    grey = _grey(spread)
    files = dict(zip((*names, "mean.png", "std.png"), (*to_pil(again), *to_pil(mean), grey), strict=True))
    for index, (name, image) in enumerate(files.items()):
        about = provenance(asked, model, min(index, request.count - 1), request.image)
        write_png(image, out / name, **about)
        yield Wrote(out / name)

    each = distances(again, original)
    of_mean, floor = distances(mean, original)[0], distances(survived, original)[0]
    largest = spread.max().item()
    sheet = {
        "original": to_pil(original)[0],
        f"autoencoder alone, {floor.psnr:.1f} dB": to_pil(survived)[0],
        f"noised to {strength:g}": to_pil(noised(asked, model))[0],
        **{
            f"{number}: {far.psnr:.1f} dB": image
            for number, far, image in zip(count(1), each, to_pil(again), strict=False)
        },
        f"mean, {of_mean.psnr:.1f} dB": to_pil(mean)[0],
        f"deviation, white is {largest:.0f} of 255": grey,
    }
    write_png(
        grid([enlarged(image, SHOWN) for image in sheet.values()], _columns(len(sheet)), list(sheet)),
        out / "sheet.png",
        **provenance(asked, model, 0, request.image),
    )
    yield Wrote(out / "sheet.png")
    write_json(
        out / "distances.json",
        {
            "image": str(request.image),
            "prompt": request.prompt,
            "strength": strength,
            "seed": request.seed,
            "pictures": {name: asdict(far) for name, far in zip(names, each, strict=True)},
            "mean": asdict(of_mean),
            "autoencoder alone": asdict(floor),
            "deviation": {"mean": spread.mean().item(), "largest": largest},
        },
    )
    yield Wrote(out / "distances.json")
    closest, furthest = (pick(far.psnr for far in each) for pick in (max, min))
    yield Said(
        f"the reconstructions are {furthest:.1f} to {closest:.1f} dB from the original, their mean "
        f"{of_mean.psnr:.1f} dB; the autoencoder alone {floor.psnr:.1f} dB"
    )


def _curve(request: ReconstructRequest, asked: GenerateRequest, out: Path) -> Generator[Event, None, None]:
    """All strengths: how far the results are from the picture, and from each other."""
    from rhinoise.explain.plots.style import save_figure
    from rhinoise.explain.plots.variance import variance_figure

    check_targets([out / "variance.png"], request.image)
    model, original = yield from _opened(request)
    every = [resolved(replace(asked, image=original, strength=strength), model) for strength in STRENGTHS]
    yield Said(
        f"noising and denoising {request.image} {request.count} times at each of {len(every)} strengths: "
        f"{how(every[0]).rpartition(', ')[0]}"
    )
    results = dict(zip(STRENGTHS, (yield from finished(model, every)), strict=True))
    survived = model.decode(model.encode(original)).cpu()
    found = [variance(images, original, strength) for strength, images in results.items()]
    (floor,) = rms(survived - original)
    save_figure(variance_figure(original, survived, results, found, floor), out / "variance.png")
    yield Wrote(out / "variance.png")
    write_json(
        out / "variance.json",
        {
            "image": str(request.image),
            "model_hash": model.facts.get("hash", ""),
            "prompt": request.prompt,
            "seed": request.seed,
            "count": request.count,
            "distances are": "root mean squares over all pixels, of 255",
            "autoencoder alone": floor,
            "by strength": [asdict(one) | {"mean_to_original": one.mean_to_original} for one in found],
        },
    )
    yield Wrote(out / "variance.json")
    yield Said(in_words(found, floor))


def _opened(
    request: ReconstructRequest,
) -> Generator[Event, None, tuple[LatentDiffusion, Float[Tensor, "1 3 H W"]]]:
    """The model, and the picture in its size."""
    picture = read_picture(request.image)
    model = open_model(request.model, request.precision)
    for remark in remarks({request.precision}, model.device):
        yield Said(remark)
    return model, to_tensor([squared(picture, model.size, request.fit)])


def distances(images: Images, original: Float[Tensor, "1 3 H W"]) -> list[Distance]:
    """How far each picture is from the original."""
    truth = original.expand(len(images), -1, -1, -1)
    columns = (rms(images - truth), psnr(images, truth).tolist(), ssim(images, truth).tolist())
    return [Distance(rmse=r, psnr=p, ssim=s) for r, p, s in zip(*columns, strict=True)]


@torch.no_grad()
def noised(asked: GenerateRequest, model: LatentDiffusion) -> Images:
    """What the first reconstruction starts from, as the autoencoder shows it."""
    assert asked.image is not None
    noise = noise_source(asked.seed, [asked.first], model.latent_shape(model.size), model.device)
    return model.decode(model.levels(asked)[0].add_noise(model.encode(asked.image), noise(INITIAL)))


def _grey(spread: Float[Tensor, "H W"]) -> Image.Image:
    """A deviation as a picture: black is none, white the largest."""
    share = spread / spread.max().clamp(min=1e-6)
    return to_pil((2 * share - 1).expand(1, 3, -1, -1))[0]


def _columns(number: int) -> int:
    """A sheet a little wider than high."""
    return next(columns for columns in range(1, number + 1) if columns * columns >= 1.5 * number)
