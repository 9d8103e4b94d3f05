"""The verbs that measure, and list what there is."""

from pathlib import Path
from typing import Annotated

import typer

from rhinoise.cli.app import Data, Precision, Run, Seed, verb
from rhinoise.workflows.defaults import DEFAULT_SAMPLES

PANEL = "Measure"
"""Where the help lists them."""


@verb(PANEL, "evaluate runs/emoji")
def evaluate(
    run: Run,
    data: Data = None,
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
    from rhinoise.workflows.scoring.trained import EvaluateRequest

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


@verb(PANEL, "list samplers", name="list")
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
