"""`python -m rhinoise` is `rhinoise`."""

from rhinoise.cli import app

app()
