"""The peers' own environment: exactly the packages of peers.txt, and the very build of torch that we use.

torch is linked, not installed again: the same arithmetic for everyone, and nothing to download. torchvision,
which one peer imports for a few transforms, is a stub (`STUBS`).
"""

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / ".venv"
PEERS = HERE / "peers.txt"
STUBS = HERE / "peers" / "stubs"
"""For PYTHONPATH of a peer that imports torchvision, and of no other: it would take it for the real one."""
LINKED = ("torch", "torchgen", "functorch")


def peers_python() -> Path:
    """The peers' interpreter; its environment is made first where it is missing or out of date."""
    python = FOLDER / "bin" / "python"
    mark, wanted = FOLDER / ".ready", _wanted()
    if mark.is_file() and mark.read_text() == wanted:
        return python
    print(f"making the peers' environment in {FOLDER}", file=sys.stderr)
    shutil.rmtree(FOLDER, ignore_errors=True)
    venv.create(FOLDER, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-qq", "--no-deps", "-r", PEERS], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    there = Path(
        subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    )
    for found in _torch():
        (there / found.name).symlink_to(found)
    mark.write_text(wanted)
    return python


def versions() -> dict[str, str]:
    """Package => version of everything in peers.txt."""
    lines = (line.partition("#")[0].strip() for line in PEERS.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def _torch() -> list[Path]:
    """The folders of the torch that runs this."""
    here = Path(sysconfig.get_path("purelib"))
    return [here / name for name in LINKED] + list(here.glob("torch-*.dist-info"))


def _wanted() -> str:
    recipe = PEERS.read_text() + importlib.metadata.version("torch") + sys.version
    return hashlib.sha256(recipe.encode()).hexdigest()


if __name__ == "__main__":
    print(peers_python())
