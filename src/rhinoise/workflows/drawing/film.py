"""The film of a generation: written beside each picture, and one curve over all of them.

NAME.film.webp           the film          NAME.film.png     all its steps on one sheet
NAME.film.safetensors    its latents       NAME.film.json    its numbers
film-curve.png/.json     how far from the end, step by step, of all the films of a command
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from rhinoise.core.files import replacing, write_json
from rhinoise.core.shapes import Images, Latents
from rhinoise.diffusion.samplers import Step
from rhinoise.explain.measure.film import SETTLED_WITHIN, Film, Recorder, develop, kept_steps
from rhinoise.explain.plots.film import DEFINITION, film_columns, film_figure, film_frames, film_sheet
from rhinoise.explain.plots.style import save_figure
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.provenance import source_xmp, write_png
from rhinoise.workflows.events import Event, Said, Wrote

_WORKERS = 2
CURVE = "film-curve.png"
QUALITY, EFFORT = 70, 1
"""Of the WebP, from 0 to 100; and of the sheet's compression: noise takes long and hardly gets smaller."""


class Filming:
    """Records one batch after the other; what a batch's films took is let go when they are written."""

    def __init__(self, model: LatentDiffusion) -> None:
        self.model = model
        self.films: list[Film] = []

    def steps(self, part: GenerateRequest) -> Iterator[Step]:
        """Draw a batch, watched."""
        total = len(self.model.levels(part)) - 1
        self.recorder = Recorder(kept_steps(total))
        drawing = self.model.steps(part, around=self.recorder.around, around_both=self.recorder.around_both)
        return self.recorder.record(drawing)

    def developed(self, index: int, latents: Latents, images: Images) -> Film:
        """The film of picture `index` of the batch: `latents` where it ended, `images` these decoded."""
        rows = slice(index, index + 1)
        return develop(self.recorder.stills, index, latents[rows], images[rows], self.model.decode)

    def write(
        self,
        latents: Latents,
        images: Images,
        paths: Sequence[Path],
        about: Sequence[Mapping[str, Any]],
    ) -> Generator[Event, None, None]:
        """The films of a batch: `latents` where it ended, and `images`, what the decoder makes of them."""

        def one(index: int) -> Film:
            film = self.developed(index, latents, images)
            _write(film, paths[index], about[index])
            # What is still needed of it: numbers.
            return film.bare()

        with ThreadPoolExecutor(_WORKERS) as pool:  # encoding lets go of the interpreter
            for path, film in zip(paths, pool.map(one, range(len(paths))), strict=True):
                self.films.append(film)
                for place in film_paths(path).values():
                    yield Wrote(place)

    def close(self, path: Path) -> Generator[Event, None, None]:
        """The curve over all films."""
        save_figure(film_figure(self.films), path)
        yield Wrote(path)
        write_json(path.with_suffix(".json"), [numbers(film) for film in self.films])
        yield Wrote(path.with_suffix(".json"))
        for name in SETTLED_WITHIN:
            at = sorted(film.settled[name] for film in self.films)
            middle = at[(len(at) - 1) // 2]
            where = f"at step {middle}" if len(at) == 1 else f"at step {at[0]} to {at[-1]}, half by {middle}"
            yield Said(f"{name} settled {where} of {self.films[0].total}")


def film_paths(path: Path) -> dict[str, Path]:
    """Where a picture's film goes, by kind."""
    return {ending: path.with_suffix(f".film.{ending}") for ending in ("webp", "png", "safetensors", "json")}


def film_targets(pictures: Sequence[Path], out: Path, alone: bool) -> list[Path]:
    """The pictures that films add: each one's sheet, and last the curve; `out` is a folder if not `alone`."""
    curve = out.with_suffix(f".{CURVE}") if alone else out / CURVE
    return [*(film_paths(path)["png"] for path in pictures), curve]


def numbers(film: Film) -> dict[str, Any]:
    """A film as plain JSON."""
    return {
        "steps": film.total,
        "settled": dict(film.settled),
        "settled within": dict(SETTLED_WITHIN),
        "in words": list(DEFINITION),
        "preview PSNR of the last latent, in dB": round(film.preview_psnr, 2),
        "by step": [asdict(step) for step in film.steps],
    }


def _write(film: Film, path: Path, about: Mapping[str, Any]) -> None:
    """One film's files."""
    places, columns = film_paths(path), film_columns(film)
    frames, milliseconds = film_frames(film, columns)
    with replacing(places["webp"]) as temporary:
        frames[0].save(
            temporary,
            format="WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=milliseconds,
            loop=0,
            quality=QUALITY,
            method=0,
            xmp=source_xmp(about["source"]).encode(),
        )
    title = f'"{about["request"]["prompt"]}", seed {about["request"]["seed"]}, {film.total} steps'
    write_png(film_sheet(film, columns, title), places["png"], effort=EFFORT, **about)
    with replacing(places["safetensors"]) as temporary:
        save_file({name: value.contiguous() for name, value in film.latents.items()}, temporary)
    write_json(places["json"], {"request": about["request"], **numbers(film)})
