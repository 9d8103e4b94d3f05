"""The command itself, and the options that several verbs have."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from rhinoise.cli.sentences import Verbs

Verb = TypeVar("Verb", bound=Callable[..., Any])

app = typer.Typer(
    name="rhinoise",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Source = Annotated[
    str, typer.Argument(help="emoji, a folder of captioned pictures, .tar or .parquet, owner/name")
]
Run = Annotated[str, typer.Argument(help="A run of `rhinoise train`, a model folder, or bundled.")]
Data = Annotated[str | None, typer.Option(help="The pictures; those that it was trained on when not given.")]
CaptionLines = Annotated[bool, typer.Option("--caption-lines", help="Each line of a sidecar is a caption.")]
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


def verb(panel: str, example: str, *, name: str | None = None) -> Callable[[Verb], Verb]:
    """Makes a function a verb: under which heading the help lists it, and what its own help shows."""
    return app.command(name=name, rich_help_panel=panel, epilog=f"Example: rhinoise {example}")
