"""Checkpoints: one safetensors file per step, with its JSON facts in the header.

Everything that the next step depends on is in it (weights, average, optimizer), in float32; the batches and
their noise are functions of the step. The file is written under a temporary name, flushed and renamed:
whenever the process is killed, the newest complete one is there.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rhinoise.core.errors import RunFolderError
from rhinoise.core.files import replacing

KEPT = 2
"""How many checkpoints of a stage stay on the disk."""


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    *,
    keep: Collection[int] = (),
) -> Path:
    """Write the checkpoint of `step` and remove all but the newest ones and those of the steps `keep`."""
    path = folder / f"{step:08d}.safetensors"
    with replacing(path) as temporary:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            temporary,
            metadata={"rhinoise": json.dumps({"step": step} | dict(facts))},
        )
    for old in list(_newest_first(folder))[KEPT:]:
        if _step(old) not in keep:
            old.unlink()
    return path


def load(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint's tensors and facts; None when there is none.

    RunFolderError when it is damaged, which only the disk can have done: nothing is passed over silently.
    """
    path = next(_newest_first(folder), None)
    if path is None:
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["rhinoise"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118, not a mapping
    except SafetensorError as error:
        raise RunFolderError(
            f"the checkpoint {path} is damaged ({error}): remove it, and the training goes on from the one "
            "before"
        ) from error


def steps(folder: Path) -> list[int]:
    """The steps that there are checkpoints of, newest first."""
    return [_step(path) for path in _newest_first(folder)]


def remove_after(folder: Path, step: int) -> None:
    """Remove every checkpoint of a later step, the newest first."""
    for path in list(_newest_first(folder)):
        if _step(path) > step:
            path.unlink()


def remove_all(folder: Path) -> None:
    """Remove every checkpoint of a stage that is done."""
    for path in list(_newest_first(folder)):
        path.unlink()


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name starts with `prefix.`, without it."""
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with `prefix.` before each name."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _newest_first(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.glob("[0-9]*.safetensors"), reverse=True))


def _step(path: Path) -> int:
    return int(path.stem)
