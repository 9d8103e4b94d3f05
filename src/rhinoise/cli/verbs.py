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


@app.command(epilog="Example: rhinoise forward cat.jpg --model bundled --steps 10 --out strip.png")
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


@app.command(epilog="Example: rhinoise schedules cosine flow --out schedules.png")
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


@app.command(
    epilog="Example: rhinoise reconstruct cat.png --model runs/emoji --strength 0.6 --count 8 --out cats"
)
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


@app.command(epilog="Example: rhinoise levels runs/emoji")
def levels(
    run: Annotated[str, typer.Argument(help="A run of `rhinoise train`, a model folder, or bundled.")],
    data: Annotated[
        str | None, typer.Option(help="The pictures; those that it was trained on when not given.")
    ] = None,
    pictures: Annotated[int, typer.Option(help="How many are measured; more are surer.")] = 64,
    out: Annotated[Path | None, typer.Option(help="A folder; RUN when not given.")] = None,
    precision: Precision = "auto",
) -> None:
    """Show at which noise level a picture is decided, and how much of it by its caption."""
    from rhinoise.cli.render import show
    from rhinoise.workflows.levels import LevelsRequest
    from rhinoise.workflows.levels import levels as work

    show(work(LevelsRequest(run=run, data=data, pictures=pictures, out=out, precision=precision)))


@app.command(epilog="Example: rhinoise inspect photos --out photos-report")
def inspect(
    source: Annotated[
        str, typer.Argument(help="emoji, a folder of captioned pictures, .tar or .parquet, owner/name")
    ],
    out: Annotated[Path | None, typer.Option(help="A folder for report.html and report.json.")] = None,
    size: Annotated[int, typer.Option(help="Pixels a side of the training to come.")] = DEFAULT_SIZE,
    captions: Annotated[
        str, typer.Option(help="A folder's captions: auto, metadata, sidecar or names.")
    ] = "auto",
    caption_lines: Annotated[
        bool, typer.Option("--caption-lines", help="Each line of a sidecar is a caption.")
    ] = False,
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


@app.command(epilog="Example: rhinoise atlas runs/emoji --word cat --word car --out atlas.html")
def atlas(
    run: Annotated[str, typer.Argument(help="A run of `rhinoise train`, a model folder, or bundled.")],
    out: Annotated[Path, typer.Option(help="The page; its numbers go beside it, as JSON.")] = Path(
        "atlas.html"
    ),
    data: Annotated[
        str | None, typer.Option(help="The pictures; those that it was trained on when not given.")
    ] = None,
    word: Annotated[
        list[str] | None, typer.Option(help="A caption word to compare with the others; repeatable.")
    ] = None,
    pictures: Annotated[int, typer.Option(help="Points at most; of more pictures an even sample.")] = 5000,
    features: Annotated[
        int, typer.Option(help="Pictures that the denoiser's features are compared on, at most.")
    ] = 600,
    method: Annotated[str, typer.Option(help="How points are laid out: pca, exact, or umap.")] = "pca",
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
                precision=precision,
            )
        )
    )


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
