"""The verb that serves: everything in a browser, and over HTTP."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rhinoise.cli.app import verb

PANEL = "Serve"
"""Where the help lists it."""


@verb(PANEL, "serve --model runs/emoji --pictures photos")
def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(help="bundled, a run of `rhinoise train`, or a model folder; repeatable."),
    ] = None,
    pictures: Annotated[
        list[Path] | None, typer.Option(help="A folder that may be trained on; repeatable.")
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="Where a worker computes: cpu, mps, cuda:NUMBER; repeatable. Every accelerator if not given."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any but this machine's own wants a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any that is free.")] = 7860,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key that every request must carry.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="A folder for the queue, its pictures and what is trained; the user's own if not."),
    ] = None,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Let the log tell what is asked for.")
    ] = False,
) -> None:
    """Serve a page for the browser and HTTP APIs, on this machine, until Ctrl-C."""
    from rhinoise.server.serve import read_key
    from rhinoise.server.serve import serve as work
    from rhinoise.server.settings import ServeConfig

    config = ServeConfig(
        models=tuple(model or ()),
        pictures=tuple(pictures or ()),
        devices=tuple(device or ()),
        host=host,
        port=port,
        api_key=None if api_key_file is None else read_key(api_key_file),
        log_prompts=log_prompts,
    )
    work(
        config if data is None else replace(config, data=data),
        lambda address: typer.echo(f"rhinoise serves at {address} (Ctrl-C ends it)"),
    )
