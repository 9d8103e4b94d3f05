"""Atlas: the space of a model's training pictures; a point is looked at, reused, and walked between."""

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from rhinoise.server.asks import SENT, AtlasAsk, WalkAsk
from rhinoise.server.jobs import Jobs, NotThereError
from rhinoise.server.pictures import from_text
from rhinoise.server.store import Job
from rhinoise.server.studio import html
from rhinoise.server.studio.create import Create
from rhinoise.server.studio.following import SOURCE, following
from rhinoise.server.studio.painter import showing
from rhinoise.server.studio.stage import walk_shown
from rhinoise.server.studio.words import in_words

NOTHING = html.empty(
    "This model has no atlas yet. Press Make the atlas: every training picture becomes a point."
)
NO_POINT = html.empty(
    "Click a point in the atlas to use its picture, and a second one to walk between the two."
)
LISTEN = """
window.addEventListener('message', event => {
  const inside = element.querySelector('iframe');
  if (event.source === inside?.contentWindow && event.data.chosen) trigger('select', event.data.chosen);
});
"""
"""The atlas, a page of its own, tells which picture was chosen."""


def build(jobs: Jobs, created: Create, tabs: gr.Tabs) -> None:
    """The tab's content."""
    model = created.model
    with gr.Row(equal_height=False):
        points = gr.Slider(
            100, 5000, value=1000, step=100, label="Points", info="training pictures, evenly taken"
        )
        make = gr.Button("Make the atlas", variant="primary", elem_id="make-atlas")
    shown = html.box(LISTEN, value=NOTHING, elem_id="atlas")
    chosen = html.box(value=NO_POINT, elem_id="chosen")
    with gr.Row():
        use = gr.Button("Start a picture from it", size="sm", interactive=False, elem_id="use-point")
        walk = gr.Button("Walk between the last two", size="sm", interactive=False, elem_id="walk-points")
    way = html.box(html.FLIP, elem_id="way")
    picked = gr.State([])
    own: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    @in_words
    async def making(model: str, points: float) -> AsyncIterator[str]:
        job = jobs.submit(AtlasAsk(model=model or "", pictures=int(points)), source=SOURCE)
        try:
            async for seen in following(jobs, job.id):
                yield seen.bar()
        except gr.Error:
            yield NOTHING
            raise
        yield _shown(job)

    make.click(making, [model, points], shown, **own)

    @in_words
    async def pick(before: list[dict[str, str]], event: gr.EventData) -> Any:
        one = {name: str(getattr(event, name)) for name in ("caption", "picture", "decoded")}
        both = [*before[-1:], one]
        told = html.row(
            html.picture(both[-1][name], under)
            for name, under in (("picture", one["caption"]), ("decoded", "its latent, decoded"))
        )
        return both, told, gr.Button(interactive=True), gr.Button(interactive=len(both) == 2)

    shown.select(pick, picked, [picked, chosen, use, walk], **own)

    @in_words
    async def using(both: list[dict[str, str]]) -> Any:
        return showing(both[-1]["decoded"]), gr.Accordion(open=True), gr.Tabs(selected="create")

    use.click(using, picked, [created.start, created.folded, tabs], **own)

    @in_words
    async def walking(model: str, both: list[dict[str, str]]) -> AsyncIterator[str]:
        if len(both) < 2:
            raise NotThereError("a walk has two ends: click a second point")
        ends = zip(("image", "other"), both, strict=True)
        files = {name: from_text(one["picture"], jobs.config.limits) for name, one in ends}
        ask = WalkAsk(model=model or "", image=SENT, other=SENT)
        job = jobs.submit(ask, files=files, source=SOURCE)
        async for seen in following(jobs, job.id):
            yield seen.bar()
        yield walk_shown(jobs, job.id)

    walk.click(walking, [model, picked], way, **own)

    async def newest(model: str | None) -> str:
        done = jobs.store.select(["done"], ["atlas"], newest_first=True)
        return next((_shown(job) for job in done if job.request["model"] == model), NOTHING)

    model.change(newest, model, shown, **own)


def _shown(job: Job) -> str:
    return html.page(html.address(job, "atlas.html"), f"The latent atlas of {job.request['model']}")
