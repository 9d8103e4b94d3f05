"""How a command ends: 0, or 2 with one sentence for what a person can mend, or 130 when stopped by Ctrl-C."""

import errno
import shlex
from typing import Any

import typer
from typer.core import TyperGroup

from rhinoise.core.errors import RhinoiseError

MENDABLE, STOPPED = 2, 130


class Verbs(TyperGroup):
    """The verbs; what they raise is told in a sentence. `ctx.obj` is the whole command, to be typed again."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Remember the command as it was typed."""
        command = shlex.join([*(info_name or "rhinoise").split(), *args])
        return super().make_context(info_name, args, parent, **({"obj": command} | extra))

    def invoke(self, ctx: Any) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except RhinoiseError as error:
            raise ended(str(error), MENDABLE) from error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise ended("the disk is full: free some space and try again", MENDABLE) from error
        except KeyboardInterrupt:
            raise ended("stopped", STOPPED) from None


def ended(sentence: str, code: int) -> typer.Exit:
    """Say a sentence on stderr; what is returned, raised, ends the program with `code`."""
    typer.echo(f"rhinoise: {sentence}" if code == MENDABLE else sentence, err=True)
    return typer.Exit(code)
