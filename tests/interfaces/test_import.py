"""`import rhinoise` is cheap, and gives what it promises."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import rhinoise

HEAVY = ("torch", "numpy", "transformers", "accelerate", "datasets", "matplotlib", "PIL", "torchmetrics")


def loaded_after(statement: str) -> set[str]:
    """The modules that a new interpreter holds after a statement."""
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["rhinoise", "rhinoise.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert not loaded_after(f"import {module}") & set(HEAVY)


@pytest.mark.parametrize(
    "statement",
    [
        "import rhinoise.workflows.generate",
        "from rhinoise.nets.text import TextConfig, TextEncoder; "
        "config = TextConfig(width=4, layers=1, heads=1, context=4); "
        "TextEncoder.create(['a rhinoceros'], config, seed=0).encode([''])",
    ],
)
def test_drawing_loads_torch_and_little_else(statement: str) -> None:
    """Most of a cold start is imports: transformers alone took three times as long as torch."""
    assert not loaded_after(statement) & (set(HEAVY) - {"torch", "numpy", "PIL"})


@pytest.mark.parametrize("name", rhinoise.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(rhinoise, name) is not None
    assert name in dir(rhinoise)


def test_the_version_is_the_packages() -> None:
    assert rhinoise.__version__ == version("rhinoise")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'LatentDifusion'"):
        rhinoise.LatentDifusion  # noqa: B018
