"""Atlas: the space of a model's training pictures; a point is looked at, reused, and walked between."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from rhinoise.server.asks import SENT, AtlasAsk, LandingAsk, WalkAsk
from rhinoise.server.errors import NotThereError
from rhinoise.server.pictures import from_text
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.store import Job
from rhinoise.server.studio import html, pictures
from rhinoise.server.studio.create import Create
from rhinoise.server.studio.following import SOURCE, following, worked
from rhinoise.server.studio.painter import showing
from rhinoise.server.studio.stage import walk_shown
from rhinoise.server.studio.words import OWN, in_words

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
TELL = """
watch('value', () => {
  const landed = element.querySelector('[data-landed]');
  const inside = document.querySelector('#atlas iframe')?.contentWindow;
  if (!landed || !inside) return;
  const whole = one => ({...one, picture: new URL(one.picture, location).href});
  inside.postMessage({landed: JSON.parse(landed.dataset.landed).map(whole)}, location.origin);
});
"""
"""It is told where pictures landed."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """The atlas, and what is done with it."""

    model: gr.Dropdown
    points: gr.Slider
    make: gr.Button
    land: gr.Button
    landed: gr.HTML
    """What landed, in words and for the atlas."""
    shown: gr.HTML
    here: gr.State
    """The id of the job that made what is shown."""
    chosen: gr.HTML
    use: gr.Button
    walk: gr.Button
    way: gr.HTML
    picked: gr.State
    """The two points that were chosen last."""

    @property
    def changing(self) -> list[Any]:
        """What `showing` changes."""
        return [self.shown, self.here, self.land, self.landed]

    def showing(self, job: Job | None) -> dict[Any, Any]:
        """What changes as an atlas is shown, or there is none; nothing has landed in it yet."""
        return {
            self.shown: NOTHING if job is None else _shown(job),
            self.here: "" if job is None else job.id,
            self.land: gr.Button(interactive=job is not None),
            self.landed: "",
        }


def build(jobs: Jobs, created: Create, tabs: gr.Tabs) -> None:
    """The tab's content."""
    with gr.Row(equal_height=False):
        info = "training pictures, evenly taken"
        points = gr.Slider(100, 5000, value=1000, step=100, label="Points", info=info)
        with gr.Column(min_width=160):
            make = gr.Button("Make the atlas", variant="primary", elem_id="make-atlas")
            words = "Show where the last drawing landed"
            land = gr.Button(words, size="sm", interactive=False, elem_id="land")
    landed = html.box(TELL, elem_id="landed")
    shown = html.box(LISTEN, value=NOTHING, elem_id="atlas")
    chosen = html.box(value=NO_POINT, elem_id="chosen")
    with gr.Row():
        use = gr.Button("Start a picture from it", size="sm", interactive=False, elem_id="use-point")
        walk = gr.Button("Walk between the last two", size="sm", interactive=False, elem_id="walk-points")
    space = Space(
        model=created.model,
        points=points,
        make=make,
        land=land,
        landed=landed,
        shown=shown,
        here=gr.State(""),
        chosen=chosen,
        use=use,
        walk=walk,
        way=html.box(html.FLIP, elem_id="way"),
        picked=gr.State([]),
    )
    _making(jobs, space)
    _landing(jobs, space)
    _choosing(jobs, space, created, tabs)


def _making(jobs: Jobs, space: Space) -> None:
    """An atlas is made; the last one of a model is there when that is chosen."""

    @in_words
    async def making(model: str, points: float) -> AsyncIterator[dict[Any, Any]]:
        job = await jobs.submit(AtlasAsk(model=model or "", pictures=int(points)), source=SOURCE)
        try:
            async for seen in following(jobs, job.id):
                yield {space.shown: seen.bar()}
        except gr.Error:
            yield space.showing(None)
            raise
        yield space.showing(job)

    space.make.click(making, [space.model, space.points], space.changing, **OWN)

    async def newest(model: str | None) -> dict[Any, Any]:
        done = jobs.store.select(["done"], ["atlas"], newest_first=True)
        return space.showing(next((job for job in done if job.request["model"] == model), None))

    space.model.change(newest, space.model, space.changing, **OWN)


def _landing(jobs: Jobs, space: Space) -> None:
    """The pictures that were drawn last are marked where they lie."""

    @in_words
    async def landing(model: str, here: str) -> AsyncIterator[str]:
        made = pictures.last(jobs)
        keys = tuple(one.key for one in made)
        ask = LandingAsk(model=model or "", atlas=f"job:{here}/atlas.html", landed=keys)
        job = await jobs.submit(ask, source=SOURCE)
        try:
            async for seen in following(jobs, job.id):
                yield seen.bar()
        except gr.Error:
            yield ""
            raise
        yield _landed(made, jobs.get(job.id))

    space.land.click(landing, [space.model, space.here], space.landed, **OWN)


def _choosing(jobs: Jobs, space: Space, created: Create, tabs: gr.Tabs) -> None:
    """A point is looked at, and made the start of a picture, or of a walk to another one."""
    picked = space.picked

    @in_words
    async def pick(before: list[dict[str, str]], event: gr.EventData) -> Any:
        one = {name: str(getattr(event, name)) for name in ("caption", "picture", "decoded")}
        both = [*before[-1:], one]
        told = html.row(
            html.picture(both[-1][name], under)
            for name, under in (("picture", one["caption"]), ("decoded", "its latent, decoded"))
        )
        return both, told, gr.Button(interactive=True), gr.Button(interactive=len(both) == 2)

    space.shown.select(pick, picked, [picked, space.chosen, space.use, space.walk], **OWN)

    @in_words
    async def using(both: list[dict[str, str]]) -> Any:
        return showing(both[-1]["decoded"]), gr.Accordion(open=True), gr.Tabs(selected="create")

    space.use.click(using, picked, [created.start, created.folded, tabs], **OWN)

    @in_words
    async def walking(model: str, both: list[dict[str, str]]) -> AsyncIterator[str]:
        if len(both) < 2:
            raise NotThereError("a walk has two ends: click a second point")
        ends = zip(("image", "other"), both, strict=True)
        files = {name: from_text(one["picture"], jobs.config.limits) for name, one in ends}
        ask = WalkAsk(model=model or "", image=SENT, other=SENT)
        async for shown in worked(jobs, ask, walk_shown, files):
            yield shown

    space.walk.click(walking, [space.model, picked], space.way, **OWN)


def _shown(job: Job) -> str:
    return html.page(html.address(job, "atlas.html"), f"The latent atlas of {job.request['model']}")


def _landed(made: Sequence[pictures.Made], job: Job) -> str:
    """What landed, in words, and for the atlas."""
    where = (job.result or {})["landed"]
    found = [{"picture": one.address, **its} for one, its in zip(made, where, strict=True)]
    first, others = found[0], len(found) - 1
    what = f"“{first['caption']}”" + (
        f" and {others} more: see the diamonds" if others else ": see the diamond"
    )
    said = html.escape(f"{what} in the atlas. Nearest to the first is “{first['captions'][0]}”.")
    data = html.escape(json.dumps(found))
    return f'<p class="note" role="status" data-landed="{data}">{said}</p>'
