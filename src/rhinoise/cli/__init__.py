"""The command line: parse, call workflows, render. A verb loads its workflow, and so torch, when it runs."""

from rhinoise.cli.verbs import app

__all__ = ["app"]
