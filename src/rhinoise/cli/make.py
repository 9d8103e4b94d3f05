"""The verbs that make something: pictures, or a model."""

from pathlib import Path
from typing import Annotated

import typer

from rhinoise.cli.app import CaptionLines, Fit, Model, Precision, Seed, Source, Steps, verb
from rhinoise.cli.sentences import Resumable
from rhinoise.workflows.defaults import DEFAULT_MODEL, DEFAULT_RECIPE, DEFAULT_SIZE, DEFAULT_STRENGTH

PANEL = "Make"
"""Where the help lists them."""


@verb(PANEL, "train photos --out runs/photos --minutes 60 --set network.depth=10")
def train(
    source: Source,
    out: Annotated[
        Path, typer.Option(help="The run's folder. The same command goes on where it was stopped.")
    ],
    recipe: Annotated[
        str | None, typer.Option(help=f"See `rhinoise list recipes`.  [default: {DEFAULT_RECIPE}]")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", help="A model to go on from, instead of random weights: bundled, or a folder."
        ),
    ] = None,
    adapt: Annotated[
        str | None, typer.Option(help="With --from: full, low-rank, or both, of which the better is kept.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="The budget in minutes.")] = None,
    images: Annotated[int | None, typer.Option(help="The budget in pictures seen, instead.")] = None,
    size: Annotated[
        int | None,
        typer.Option(help=f"Height and width of the pictures, in pixels.  [default: {DEFAULT_SIZE}]"),
    ] = None,
    captions: Annotated[
        str | None, typer.Option(help="A folder's captions: auto, metadata, sidecar or names.")
    ] = None,
    caption_lines: CaptionLines = False,
    fit: Annotated[str | None, typer.Option(help="How pictures become square: pad or crop.")] = None,
    background: Annotated[
        str | None, typer.Option(help="Behind what is transparent or padded: white, #rrggbb.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and noise.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of the recipe: a.b=c; repeatable.")
    ] = None,
) -> None:
    """Train a model from captioned pictures."""
    from rhinoise.cli.render import interruptible, show
    from rhinoise.data.sources import found
    from rhinoise.workflows.choose import choose, colour
    from rhinoise.workflows.train import TrainRequest
    from rhinoise.workflows.train import train as work

    chosen = choose(
        recipe,
        size,
        start=start,
        minutes=minutes,
        images=images,
        settings={
            "adapt.method": adapt,
            "data.captions": captions,
            "data.caption_lines": caption_lines or None,
            "data.fit": fit,
            "data.background": None if background is None else colour(background),
            "seed": seed,
        },
        assignments=set_ or (),
    )
    budget = f"{chosen.minutes:g} minutes" if chosen.images is None else f"{chosen.images} pictures seen"
    begun = "" if start is None else f" from the model {start}"
    typer.echo(
        f"recipe {chosen.name}{begun}, {chosen.size} x {chosen.size} pixels, {budget}, seed {chosen.seed}",
        err=True,
    )
    try:
        with interruptible() as interrupt:
            show(work(TrainRequest(source=found(source), out=out, recipe=chosen, start=start)), interrupt)
    except KeyboardInterrupt:
        raise Resumable from None


@verb(PANEL, 'generate "a red heart" "a blue heart" --model runs/emoji --count 4 --out hearts')
def generate(
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...", help="What to draw.")],
    model: Model = DEFAULT_MODEL,
    out: Annotated[Path, typer.Option(help="A folder; or a .png, for a single picture.")] = Path("pictures"),
    count: Annotated[int, typer.Option(help="Pictures per prompt.")] = 1,
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Annotated[
        float | None, typer.Option(help="1 is none; more follows the prompt more closely.")
    ] = None,
    guidance_interval: Annotated[
        tuple[float, float],
        typer.Option(metavar="LOW HIGH", help="Guide only from time LOW to HIGH, where 1 is all noise."),
    ] = (0.0, 1.0),
    guidance_rescale: Annotated[
        float, typer.Option(help="From 0 to 1: undo so much of the contrast that guidance adds.")
    ] = 0.0,
    sampler: Annotated[str | None, typer.Option(help="See `rhinoise list samplers`.")] = None,
    spacing: Annotated[str | None, typer.Option(help="See `rhinoise list spacings`.")] = None,
    negative: Annotated[str, typer.Option(help="What to keep away from.")] = "",
    size: Annotated[int | None, typer.Option(help="Only to make sure: a model draws in one size.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Draw only where this picture is white, or where it is transparent.")
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(help=f"How far --image is changed, above 0 to 1; {DEFAULT_STRENGTH}, inside a mask 1."),
    ] = None,
    paste: Annotated[
        bool, typer.Option("--paste", help="Outside the mask keep the very pixels of --image.")
    ] = False,
    fit: Fit = "pad",
    precision: Precision = "auto",
    few_steps: Annotated[
        bool, typer.Option("--few-steps", help="Draw in a few steps, with what `rhinoise distil` made.")
    ] = False,
    film: Annotated[
        bool, typer.Option("--film", help="Keep every step: a film, a sheet, curves and data.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Say which are replicas of training pictures, and show these.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="The training pictures, for --check where the model does not say.")
    ] = None,
) -> None:
    """Draw pictures from prompts, from a picture, or inside a mask."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.generate import DrawRequest
    from rhinoise.workflows.generate import generate as work

    show(
        work(
            DrawRequest(
                model=model,
                prompts=tuple(prompts),
                out=out,
                negative=negative,
                seed=seed,
                count=count,
                steps=steps,
                guidance=guidance,
                guidance_interval=guidance_interval,
                guidance_rescale=guidance_rescale,
                sampler=sampler,
                spacing=spacing,
                size=size,
                image=image,
                mask=mask,
                strength=strength,
                paste=paste,
                fit=fit,
                precision=precision,
                few_steps=few_steps,
                film=film,
                check=check,
                data=data,
            )
        )
    )


@verb(PANEL, "distil runs/emoji --minutes 10")
def distil(
    run: Annotated[Path, typer.Argument(help="A run of `rhinoise train` that has a model.")],
    minutes: Annotated[float | None, typer.Option(help="The budget in minutes.")] = None,
    images: Annotated[int | None, typer.Option(help="The budget in pictures that are learnt from.")] = None,
    steps: Annotated[int | None, typer.Option(help="How few steps.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Guidance to learn; the model's own when not given.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting: a.b=c; repeatable.")
    ] = None,
) -> None:
    """Make a second model of a run, that draws in a few steps: `rhinoise generate --few-steps`."""
    from rhinoise.cli.render import interruptible, show
    from rhinoise.workflows.choose import choose_distillation
    from rhinoise.workflows.distil import DistilRequest
    from rhinoise.workflows.distil import distil as work

    config = choose_distillation(
        minutes=minutes,
        images=images,
        settings={"steps": steps, "guidance": guidance},
        assignments=set_ or (),
    )
    try:
        with interruptible() as interrupt:
            show(work(DistilRequest(run=run, config=config)), interrupt)
    except KeyboardInterrupt:
        raise Resumable from None


@verb(PANEL, "convert runs/emoji --out emoji-model --weights bf16")
def convert(
    model: Annotated[str, typer.Argument(help="bundled, a run of `rhinoise train`, or a model folder.")],
    out: Annotated[Path | None, typer.Option(help="Write a copy into this folder.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="The copy's weights: fp32 or bf16, half the bytes; else as they are.")
    ] = None,
) -> None:
    """Say what a model folder is and what opens it; with --out write a copy with a model card."""
    from rhinoise.cli.render import show
    from rhinoise.cli.tables import print_table
    from rhinoise.workflows.convert import ConvertRequest
    from rhinoise.workflows.convert import convert as work

    found = show(work(ConvertRequest(model=model, out=out, weights=weights)))
    print_table(f"{model if out is None else out}", found.rows())
