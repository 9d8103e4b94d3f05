"""The straight way between two pictures, through a model's latents: each decoded, both ends included.

Straight, not along the arc: what lies half-way comes back from its own picture as well as real latents do.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch

from rhinoise.core.errors import ConfigError
from rhinoise.core.images import to_pil, to_tensor
from rhinoise.storage.provenance import EDITED, parameters_text, write_png
from rhinoise.workflows.defaults import DEFAULT_MODEL
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.paths import check_targets, open_model, output_folder, read_picture, squared


@dataclass(frozen=True, kw_only=True)
class WalkRequest:
    """From which picture to which, in how many."""

    begin: Path
    end: Path
    model: Path | str = DEFAULT_MODEL
    """A run, a model folder, or "bundled"."""
    out: Path = Path("walk")
    frames: int = 9
    """Pictures, both ends included."""
    fit: str = "pad"
    """How the pictures become square: pad or crop."""


@device_errors_told("or walk in fewer frames (--frames)")
@torch.no_grad()
def walk(request: WalkRequest) -> Generator[Event, None, None]:
    """Write walk-00.png, walk-01.png, ...; a RhinoiseError says what is wrong with the request."""
    if request.frames < 3:
        raise ConfigError(f"a walk has something between its ends: --frames 3 or more, not {request.frames}")
    out = output_folder(request.out)
    targets = [out / f"walk-{number:02d}.png" for number in range(request.frames)]
    check_targets(targets, request.begin, request.end)
    ends = [read_picture(path) for path in (request.begin, request.end)]
    model = open_model(request.model, "fp32")
    yield Said(f"walking from {request.begin.name} to {request.end.name} in {request.frames} pictures")
    begin, end = model.encode(to_tensor([squared(one, model.size, request.fit) for one in ends])).split(1)
    about = {"from": request.begin.name, "to": request.end.name}
    for number, path in enumerate(targets):
        share = number / (request.frames - 1)
        (image,) = to_pil(model.decode(torch.lerp(begin, end, share)).cpu())
        write_png(
            image,
            path,
            parameters=parameters_text(
                "", "", {"Walk": f"{share:.0%}", "Size": f"{model.size}x{model.size}"}
            ),
            request={"walk": about | {"share": share}},
            model_hash=model.facts.get("hash", ""),
            source=EDITED,
        )
        yield Wrote(path)
        yield Progress(stage="walking", done=number + 1, total=request.frames, unit="picture")
