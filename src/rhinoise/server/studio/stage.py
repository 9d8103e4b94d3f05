"""What was drawn: the picture that is looked at, what can be done with it, and the gallery of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from rhinoise.server.drawing import Size
from rhinoise.server.queue.jobs import Job, Jobs
from rhinoise.server.studio import html, pictures

NOTHING = html.empty("What you draw appears here, step by step. Describe a picture and press Draw.")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The side of the tab on which pictures are."""

    shown: gr.HTML
    """The one that is looked at, or a drawing under way."""
    actions: gr.Row
    more: gr.Button
    vary: gr.Button
    edit: gr.Button
    reuse: gr.Button
    walk: gr.Button
    gallery: gr.HTML
    picked: gr.State
    """Keys of the two that were looked at last, the last one last."""
    current: gr.BrowserState
    """The id of the drawing under way, which this browser remembers; "" for none."""

    @property
    def changing(self) -> list[Any]:
        """What `looking` changes."""
        return [self.shown, self.gallery, self.picked, self.actions, self.walk]

    def looking(
        self, jobs: Jobs, made: Sequence[pictures.Made], before: list[str], size: Size | None
    ) -> dict[Any, Any]:
        """What changes as the first of these is looked at; the one before stays marked, to walk from."""
        keys = [*[key for key in before if key != made[0].key][-1:], made[0].key] if made else before
        return {
            self.picked: keys,
            self.gallery: pictures.gallery(pictures.newest(jobs), keys),
            self.actions: gr.Row(visible=bool(keys)),
            self.walk: gr.Button(interactive=len(keys) == 2),
        } | ({self.shown: pictures.told(jobs, made[0], size)} if made else {})


def build() -> Stage:
    """All of it."""
    shown = html.box(elem_id="stage", value=NOTHING)
    with gr.Row(visible=False, elem_id="actions") as actions:
        more = gr.Button("More like this", size="sm", min_width=110)
        vary = gr.Button("Vary", size="sm", min_width=70)
        edit = gr.Button("Paint on it", size="sm", min_width=90)
        reuse = gr.Button("Its request", size="sm", min_width=90)
        walk = gr.Button("Walk from A to B", size="sm", min_width=110, interactive=False)
    gr.Markdown("### Pictures made here")
    return Stage(
        shown=shown,
        actions=actions,
        more=more,
        vary=vary,
        edit=edit,
        reuse=reuse,
        walk=walk,
        gallery=html.box(html.PICK, elem_id="gallery"),
        picked=gr.State([]),
        # The secret guards nothing; a fixed one is that of the next start, too.
        current=gr.BrowserState("", storage_key="rhinoise-drawing", secret="rhinoise"),
    )


def walk_shown(jobs: Jobs, job: Job) -> str:
    """The pictures on a way between two, under a slider."""
    last = job.request["frames"] - 1
    frames = [
        ([html.address(job, f"walk-{place:02d}.png")], f"{place / last:.0%} of the way")
        for place in range(last + 1)
    ]
    return html.flip(frames, "From one to the other", at=last // 2)
