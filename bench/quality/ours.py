"""Our own training as a process that is asked for slices of it, by the same verbs as the peers'."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.child import serve
from bench.quality.clock import CLOCKS, Stopwatch
from bench.quality.contestants import STEPS
from bench.quality.drawn import draw_chunk, to_uint8

KEPT = "raw.safetensors"
"""The denoiser's last weights before averaging; a run keeps the average alone."""


class Ours:
    """The verbs."""

    drawing = ""
    """The weights that the drawer has."""

    def verbs(self) -> dict[str, Any]:
        """What the process answers."""
        return {"open": self.open, "train": self.train, "draw": self.draw}

    def open(self, *, folder: str, given: str, seed: int, minutes: float, clock: str) -> dict[str, Any]:
        """Begin, or take up what is in `folder`; `minutes` is the budget."""
        # Before rhinoise is imported: its trainings fit themselves to the budget by this clock.
        time.monotonic = CLOCKS[clock]
        from rhinoise.core.files import read_json, write_json
        from rhinoise.storage.run_folder import RunFolder
        from rhinoise.training import checkpoint
        from rhinoise.workflows.choose import choose
        from rhinoise.workflows.train import TrainRequest, train

        self.run, self.clock = RunFolder(Path(folder) / "run"), clock
        self.seconds_file, self.raw = Path(folder) / "seconds.json", Path(folder) / KEPT
        kept = read_json(self.seconds_file) if self.seconds_file.is_file() else None
        self.stopwatch = Stopwatch(kept and kept["seconds"])
        # Starting Python and importing torch is a part of the budget, too; kept, since the plan hangs on it.
        left = kept["minutes"] if kept else minutes - self.stopwatch.seconds(clock) / 60
        self.finished = bool(kept and kept["finished"])
        self.write = lambda: write_json(
            self.seconds_file,
            {"minutes": left, "seconds": self.stopwatch.kept(), "finished": self.finished},
        )
        self.write()
        clear = checkpoint.remove_all

        def keep_raw(folder: Path) -> None:
            """What a finished stage does with its checkpoints: the denoiser's newest stays with us."""
            if folder.name == "denoiser" and (found := sorted(folder.glob("[0-9]*.safetensors"))):
                shutil.copy(found[-1], self.raw)
            clear(folder)

        checkpoint.remove_all = keep_raw
        recipe = choose(size=64, minutes=left, assignments=[f"seed={seed}"])
        request = TrainRequest(source="emoji", out=self.run.root, recipe=recipe)
        self.events: Iterator[Any] = train(request)
        return self.facts()

    def train(self, *, slice_seconds: float) -> dict[str, Any]:
        """Go on for so many seconds of the wall, or to the end."""
        stop = CLOCKS["wall"]() + slice_seconds
        with self.stopwatch.running():
            while CLOCKS["wall"]() < stop and not self.finished:
                self.finished = next(self.events, None) is None
        self.write()
        return self.facts()

    def facts(self) -> dict[str, Any]:
        """Where the training stands."""
        entries = [entry for entry in self.run.entries() if entry["stage"] == "denoiser"]
        last: dict[str, Any] = entries[-1] if entries else {"step": 0, "images": 0, "losses": {"loss": None}}
        return {
            "seconds": self.stopwatch.kept(),
            "done": self.finished,
            "steps": last["step"],
            "images": last["images"],
            "loss": last["losses"]["loss"],
            "parameters": self.parameters() if self.finished else None,
        }

    def parameters(self) -> int:
        """How many numbers were trained."""
        parts = self.model("ema").parts
        modules = (parts.autoencoder, parts.network, parts.text_encoder)
        return sum(parameter.numel() for module in modules for parameter in module.parameters())

    def model(self, weights: str) -> Any:
        """The finished model, with the weights as they were last, or as they were on average."""
        from safetensors.torch import load_file

        from rhinoise.pipeline.latent_diffusion import LatentDiffusion
        from rhinoise.storage import bundle
        from rhinoise.training.checkpoint import under

        parts = bundle.load(self.run.model)
        if weights == "raw":
            parts.network.load_state_dict(under("weights.network", load_file(self.raw)))
        return LatentDiffusion.of(parts)

    def draw(self, *, weights: str, first: int, captions: list[str], out: str) -> None:
        """Draw these of the asked captions into `out`."""
        from rhinoise import GenerateRequest

        if self.drawing != weights:
            self.drawing, self.drawer = weights, self.model(weights)
        requests = [
            GenerateRequest(prompt=caption, first=index, steps=STEPS)
            for index, caption in enumerate(captions, start=first)
        ]

        def pictures() -> Any:
            *_, last = self.drawer.steps(*requests)
            return to_uint8(self.drawer.decode(last.x).numpy())

        draw_chunk(Path(out), first, pictures)


if __name__ == "__main__":
    serve(Ours().verbs())
