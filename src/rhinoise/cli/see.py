"""The verbs that show what happens inside."""

from pathlib import Path
from typing import Annotated

import typer

from rhinoise.cli.app import CaptionLines, Data, Fit, Model, Precision, Run, Seed, Source, Steps, verb
from rhinoise.workflows.defaults import (
    DEFAULT_COMPARED,
    DEFAULT_MODEL,
    DEFAULT_POINTS,
    DEFAULT_SIZE,
    DEFAULT_STRENGTH,
    DEFAULT_TIMES,
)

PANEL = "See"
"""Where the help lists them."""


@verb(PANEL, "inspect photos --out photos-report")
def inspect(
    source: Source,
    out: Annotated[Path | None, typer.Option(help="A folder for report.html and report.json.")] = None,
    size: Annotated[int, typer.Option(help="Pixels a side of the training to come.")] = DEFAULT_SIZE,
    captions: Annotated[
        str, typer.Option(help="A folder's captions: auto, metadata, sidecar or names.")
    ] = "auto",
    caption_lines: CaptionLines = False,
    fit: Fit = "pad",
    background: Annotated[
        str, typer.Option(help="Behind what is transparent or padded: white, #rrggbb.")
    ] = "white",
    json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON instead.")] = False,
) -> None:
    """Look at pictures before training on them: what is there, what is skipped, and what to mend first."""
    from rhinoise.cli.render import show
    from rhinoise.cli.tables import print_json, print_table
    from rhinoise.workflows.choose import colour
    from rhinoise.workflows.inspect import InspectRequest, tables
    from rhinoise.workflows.inspect import inspect as work

    found = show(
        work(
            InspectRequest(
                source=source,
                out=out,
                size=size,
                captions=captions,
                caption_lines=caption_lines,
                fit=fit,
                background=colour(background),
            )
        )
    )
    if json:
        print_json(found)
        return
    for title, rows in tables(found):
        print_table(title, rows)


@verb(PANEL, "forward cat.jpg --model bundled --steps 10 --out strip.png")
def forward(
    image: Annotated[Path, typer.Argument(help="Any picture.")],
    schedule: Annotated[str, typer.Option(help="See `rhinoise list schedules`.")] = "cosine",
    steps: Annotated[int, typer.Option(help="Frames after the clean picture.")] = 10,
    seed: Seed = 0,
    model: Annotated[
        str | None, typer.Option(help="Show the same in the latents of this model: bundled, or a folder.")
    ] = None,
    fit: Fit = "pad",
    out: Annotated[Path, typer.Option(help="The picture to write; its numbers go beside it.")] = Path(
        "strip.png"
    ),
) -> None:
    """Show how a picture drowns in noise, and how much of it is left at each step."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.forward import ForwardRequest
    from rhinoise.workflows.forward import forward as work

    show(
        work(
            ForwardRequest(
                image=image, schedule=schedule, steps=steps, seed=seed, model=model, fit=fit, out=out
            )
        )
    )


@verb(PANEL, "schedules cosine flow --out schedules.png")
def schedules(
    chosen: Annotated[
        list[str] | None, typer.Argument(metavar="[SCHEDULE...]", help="Those to point out.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture to write; its numbers go beside it.")] = Path(
        "schedules.png"
    ),
) -> None:
    """Show how fast each schedule drowns a picture: its signal-to-noise ratio over time."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.forward import CurvesRequest, curves

    show(curves(CurvesRequest(chosen=tuple(chosen or ()), out=out)))


@verb(PANEL, "reconstruct cat.png --model runs/emoji --strength 0.6 --count 8 --out cats")
def reconstruct(
    image: Annotated[Path, typer.Argument(help="Any picture.")],
    model: Model = DEFAULT_MODEL,
    strength: Annotated[
        float | None, typer.Option(help=f"How far it is noised, above 0 to 1.  [default: {DEFAULT_STRENGTH}]")
    ] = None,
    curve: Annotated[
        bool,
        typer.Option("--curve", help="Instead: strengths 0.1 to 1, and how much the results differ at each."),
    ] = False,
    count: Annotated[
        int, typer.Option(help="How often it is denoised, each time from other noise.")
    ] = DEFAULT_TIMES,
    prompt: Annotated[str, typer.Option(help="What the model is told; nothing when not given.")] = "",
    seed: Seed = 0,
    steps: Steps = None,
    fit: Fit = "pad",
    out: Annotated[Path, typer.Option(help="A folder.")] = Path("reconstruction"),
    precision: Precision = "auto",
) -> None:
    """Noise a picture half-way and denoise it several times: what the model keeps, and what it makes up."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.reconstruct import ReconstructRequest
    from rhinoise.workflows.reconstruct import reconstruct as work

    show(
        work(
            ReconstructRequest(
                image=image,
                model=model,
                strength=strength,
                curve=curve,
                count=count,
                prompt=prompt,
                seed=seed,
                steps=steps,
                fit=fit,
                out=out,
                precision=precision,
            )
        )
    )


@verb(PANEL, 'attention "a blue heart on a yellow background" --out attention')
def attention(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    model: Model = DEFAULT_MODEL,
    out: Annotated[Path, typer.Option(help="A folder.")] = Path("attention"),
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Annotated[
        float | None, typer.Option(help="1 is none; more follows the prompt more closely.")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="See `rhinoise list samplers`.")] = None,
    precision: Precision = "auto",
) -> None:
    """Show where the model looks for each word, step by step, and what leaving the word out changes."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.attention import AttentionRequest
    from rhinoise.workflows.attention import attention as work

    show(
        work(
            AttentionRequest(
                prompt=prompt,
                model=model,
                out=out,
                seed=seed,
                steps=steps,
                guidance=guidance,
                sampler=sampler,
                precision=precision,
            )
        )
    )


@verb(PANEL, "levels runs/emoji")
def levels(
    run: Run,
    data: Data = None,
    pictures: Annotated[int, typer.Option(help="How many are measured; more are surer.")] = 64,
    out: Annotated[Path | None, typer.Option(help="A folder; RUN when not given.")] = None,
    precision: Precision = "auto",
) -> None:
    """Show at which noise level a picture is decided, and how much of it by its caption."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.levels import LevelsRequest
    from rhinoise.workflows.levels import levels as work

    show(work(LevelsRequest(run=run, data=data, pictures=pictures, out=out, precision=precision)))


@verb(PANEL, "atlas runs/emoji --word cat --word car --out atlas.html")
def atlas(
    run: Run,
    out: Annotated[Path, typer.Option(help="The page; its numbers go beside it, as JSON.")] = Path(
        "atlas.html"
    ),
    data: Data = None,
    word: Annotated[
        list[str] | None, typer.Option(help="A caption word to compare with the others; repeatable.")
    ] = None,
    pictures: Annotated[
        int, typer.Option(help="Points at most; of more pictures an even sample.")
    ] = DEFAULT_POINTS,
    features: Annotated[
        int, typer.Option(help="Pictures that the denoiser's features are compared on, at most.")
    ] = DEFAULT_COMPARED,
    method: Annotated[str, typer.Option(help="How points are laid out: pca, exact, or umap.")] = "pca",
    landed: Annotated[
        list[Path] | None, typer.Option(help="A picture to show where it lands among them; repeatable.")
    ] = None,
    precision: Precision = "auto",
) -> None:
    """Draw the latent space: every picture a point, beside what the denoiser makes of it."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.atlas import AtlasRequest
    from rhinoise.workflows.atlas import atlas as work

    show(
        work(
            AtlasRequest(
                run=run,
                out=out,
                data=data,
                words=tuple(word or ()),
                pictures=pictures,
                features=features,
                method=method,
                landed=tuple(landed or ()),
                precision=precision,
            )
        )
    )


@verb(PANEL, "report runs/emoji")
def report(
    run: Annotated[
        str, typer.Argument(help="A run, finished or not, a model folder, or bundled.", metavar="RUN")
    ],
    out: Annotated[Path | None, typer.Option(help="The page; report.html in the run when not given.")] = None,
    data: Data = None,
    prompt: Annotated[
        str | None, typer.Option(help="What is drawn step by step; one of its captions when not given.")
    ] = None,
    seed: Seed = 0,
    precision: Precision = "auto",
) -> None:
    """Write the lab book of a run: a page for everybody, from its pictures to what to try next."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.report import ReportRequest
    from rhinoise.workflows.report import report as work

    show(work(ReportRequest(run=run, out=out, data=data, prompt=prompt, seed=seed, precision=precision)))
