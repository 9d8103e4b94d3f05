"""A disk that fills up while something is written: a real one, of a megabyte, in a process of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WRITERS = """
import json, os, sys
from pathlib import Path
import numpy as np, torch
from rhinoise.core.errors import DiskFullError
from rhinoise.core.files import replacing_folder, write_text
from rhinoise.data.latents import encoded
from rhinoise.training import checkpoint

disk = Path(sys.argv[1])
large = {"weights": torch.zeros(1_000_000)}

def text():
    write_text(disk / "x", "x" * 4_000_000)

def tensors():
    checkpoint.save(disk / "state", 1, large, {})

def folder():
    with replacing_folder(disk / "model") as new:
        write_text(new / "small", "x")
        write_text(new / "large", "x" * 4_000_000)

def chunks():  # the disk fills up after there was found to be room
    for row in range(400):
        yield {"latents": np.zeros((1, 4, 16, 16), np.float32)}
        if row == 10:
            (disk / "other").write_bytes(bytes(950_000))

def latents():
    encoded(disk / "cache", "key", 100, chunks())

for write in (text, tensors, folder, latents):
    try:
        write()
        print(write.__name__, "went well")
    except DiskFullError as error:
        (disk / "other").unlink(missing_ok=True)
        left = [path.name for path in disk.rglob("*") if path.is_file()]
        print(write.__name__, "disk is full" in str(error), left)
"""


def small_disk(where: Path, script: str) -> subprocess.CompletedProcess[str]:
    mount = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    return subprocess.run(
        [*command, str(where), sys.executable, script], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("unshare") is None, reason="this system has no unshare")
def test_a_full_disk_is_said_and_nothing_is_left_behind(tmp_path):
    """safetensors tells a full disk in words alone, and a memory map by killing the process."""
    if small_disk(tmp_path, "").returncode:
        pytest.skip("no disk may be mounted here")
    done = small_disk(tmp_path, WRITERS)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{write} True []" for write in ("text", "tensors", "folder", "latents")
    ]
