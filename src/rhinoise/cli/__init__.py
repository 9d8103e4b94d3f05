"""The command line: parse, call workflows, render. A verb loads its workflow, and so torch, when it runs."""

from rhinoise.cli import make, see, measure, serve  # isort: skip  (in the order of the help)
from rhinoise.cli.app import app

__all__ = ["app", "make", "measure", "see", "serve"]
