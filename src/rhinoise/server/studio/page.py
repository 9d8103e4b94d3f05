"""The page as a whole: its tabs, the model they share, its looks; mounted into the application at /."""

import asyncio
import os
from typing import Any

import gradio as gr
from fastapi import FastAPI

from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.studio import atlas, create, html, models, train, watch
from rhinoise.server.studio.closed import closed
from rhinoise.server.studio.style import SHEET, THEME

LOOK_SECONDS = 1.0
"""How often the page looks whether the models are loaded."""


def mount(app: FastAPI, jobs: Jobs) -> None:
    """Show the page at /, after all routes that the application has."""
    # The only place that says so: nothing is told to anyone, no newer version looked for.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(jobs.config.page)
    # Within a loop: outside of one, Gradio makes loops of its own and never closes them.
    asyncio.run(_mount(app, jobs))


async def _mount(app: FastAPI, jobs: Jobs) -> None:
    gr.mount_gradio_app(
        app,
        closed(blocks(jobs)).queue(default_concurrency_limit=None),
        "/",
        server_name=jobs.config.host,
        server_port=jobs.config.port,
        footer_links=["settings"],
        run_history=False,
        max_file_size=jobs.config.limits.upload_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        theme=THEME,
        css_paths=[SHEET],
    )


def blocks(jobs: Jobs) -> gr.Blocks:
    """The page."""
    own: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    with gr.Blocks(
        title="rhinoise", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)
    ) as page:
        with gr.Row(elem_id="head"):
            gr.HTML("<h1>rhinoise</h1>", apply_default_css=False, min_width=120)
            state = html.box(elem_id="state", scale=2, min_width=160)
            model = gr.Dropdown([], label="Model", elem_id="model", min_width=200)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Create", id="create"):
                created = create.build(jobs, page, model)
            with gr.Tab("Watch", id="watch"):
                watch.build(jobs, model)
            with gr.Tab("Atlas", id="atlas"):
                atlas.build(jobs, created, tabs)
            with gr.Tab("Train", id="train") as train_tab:
                train.build(jobs, created, train_tab)
            with gr.Tab("Models", id="models") as models_tab:
                models.build(jobs, created, models_tab, tabs)
        clock = gr.Timer(LOOK_SECONDS)

        async def look(chosen: str | None) -> dict[Any, Any]:
            names = list(jobs.registry.models())
            chosen = chosen if chosen in names else next(iter(names), None)
            return {
                state: _state(jobs),
                model: gr.Dropdown(choices=names, value=chosen),
                clock: gr.Timer(active=jobs.facts is None),
            } | created.own_values(chosen)

        async def own_values(chosen: str | None) -> dict[Any, Any]:
            return created.own_values(chosen)

        shown = [state, model, clock, *created.own]
        gr.on([page.load, clock.tick], look, model, shown, **own)
        model.input(own_values, model, created.own, **own)
    return page


def _state(jobs: Jobs) -> str:
    if jobs.facts is None:
        return html.bar("The models are being loaded; you can write your request already.")
    if not jobs.registry.models():
        return html.empty("There is no model here yet: train one, in the tab Train.")
    return f'<p class="note">ready, on {jobs.facts["device"]}</p>'
