"""The verbs. Each parses its words, calls a workflow and renders what that tells."""

from pathlib import Path
from typing import Annotated

import typer

from rhinoise.cli.sentences import Resumable, Verbs
from rhinoise.workflows.defaults import (
    DEFAULT_MODEL,
    DEFAULT_RECIPE,
    DEFAULT_SAMPLES,
    DEFAULT_SIZE,
    DEFAULT_STRENGTH,
    DEFAULT_TIMES,
)

app = typer.Typer(
    name="rhinoise",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[str, typer.Option("--model", help="bundled, a run of `rhinoise train`, or a model folder.")]
Seed = Annotated[int, typer.Option(help="One seed, one picture.")]
Steps = Annotated[int | None, typer.Option(help="Sampler steps; the model's own number when not given.")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16.")]
Fit = Annotated[str, typer.Option(help="How a picture becomes square: pad keeps all of it, crop its middle.")]


def _version(asked: bool) -> bool:
    if asked:
        import rhinoise

        typer.echo(f"rhinoise {rhinoise.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Turn captioned pictures into a text-to-image model of your own, every stage trained on this machine."""


@app.command(epilog="Example: rhinoise train photos --out runs/photos --minutes 60 --set network.depth=10")
def train(
    source: Annotated[
        str, typer.Argument(help="emoji, a folder of captioned pictures, .tar or .parquet, owner/name")
    ],
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
    caption_lines: Annotated[
        bool, typer.Option("--caption-lines", help="Each line of a sidecar is a caption.")
    ] = False,
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


@app.command(
    epilog='Example: rhinoise generate "a red heart" "a blue heart" --model runs/emoji --count 4 --out hearts'
)
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
            )
        )
    )


@app.command(epilog="Example: rhinoise forward cat.jpg --schedule cosine --steps 10 --out strip.png")
def forward(
    image: Annotated[Path, typer.Argument(help="Any picture.")],
    schedule: Annotated[str, typer.Option(help="See `rhinoise list schedules`.")] = "cosine",
    steps: Annotated[int, typer.Option(help="Frames after the clean picture.")] = 10,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("strip.png"),
) -> None:
    """Show how a picture drowns in noise, and how much of it is left at each step."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.forward import ForwardRequest
    from rhinoise.workflows.forward import forward as work

    show(work(ForwardRequest(image=image, schedule=schedule, steps=steps, seed=seed, out=out)))


@app.command(
    epilog="Example: rhinoise reconstruct cat.png --model runs/emoji --strength 0.6 --count 8 --out cats"
)
def reconstruct(
    image: Annotated[Path, typer.Argument(help="Any picture.")],
    model: Model = DEFAULT_MODEL,
    strength: Annotated[float, typer.Option(help="How far it is noised, above 0 to 1.")] = DEFAULT_STRENGTH,
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


@app.command(epilog='Example: rhinoise attention "a blue heart on a yellow background" --out attention')
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


@app.command(epilog="Example: rhinoise distil runs/emoji --minutes 10")
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


@app.command(epilog="Example: rhinoise evaluate runs/emoji")
def evaluate(
    run: Annotated[str, typer.Argument(help="A run of `rhinoise train`, a model folder, or bundled.")],
    data: Annotated[
        str | None, typer.Option(help="The pictures; those that it was trained on when not given.")
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Pictures that are drawn to be compared as a set; fewer inflate distances.")
    ] = DEFAULT_SAMPLES,
    features: Annotated[
        str | None, typer.Option(help="The feature space; the best that is at hand when not given.")
    ] = None,
    few_steps: Annotated[
        bool, typer.Option("--few-steps", help="Measure what `rhinoise distil` made of it.")
    ] = False,
    suite: Annotated[
        bool,
        typer.Option("--suite", help="Instead: draw 200 prompts, half never trained on, and judge them."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="A folder for scores; RUN when not given.")] = None,
    seed: Seed = 0,
    precision: Precision = "auto",
) -> None:
    """Measure a trained model and what it draws, beside controls; RUN/scores.json holds the numbers."""
    from rhinoise.cli.render import show
    from rhinoise.cli.tables import print_table
    from rhinoise.workflows.evaluate import evaluate as work
    from rhinoise.workflows.trained import EvaluateRequest

    asked = EvaluateRequest(
        run=run,
        data=data,
        out=out,
        samples=samples,
        features=features,
        few_steps=few_steps,
        suite=suite,
        seed=seed,
        precision=precision,
    )
    for title, rows in show(work(asked)).tables():
        print_table(title, rows)


@app.command(epilog="Example: rhinoise convert runs/emoji --out emoji-model --weights bf16")
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


@app.command(name="list", epilog="Example: rhinoise list samplers")
def list_(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND...]", help="samplers, schedules, recipes, ...; all when not given."),
    ] = None,
) -> None:
    """List what there is to choose from."""
    from rhinoise.cli.tables import print_table
    from rhinoise.workflows.catalogue import TABLES, catalogue

    for kind, entries in {kind: catalogue(kind) for kind in kinds or TABLES}.items():
        print_table(kind, entries.items())
