"""How a command ends: 0, or 2 with one sentence for what a person can mend, or 130 when stopped by Ctrl-C."""

import errno
import shlex
from typing import Any

import typer
from typer.core import TyperGroup

from rhinoise.core.errors import RhinoiseError

MENDABLE, STOPPED = 2, 130

DISK_FULL = "the disk is full: free some space and try again"
NOT_ALLOWED = "it may not be read or written: choose another place, or change its permissions"
FILE_IN_THE_WAY = "a file is where a folder should be: choose another place"
REFUSALS = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
    errno.EROFS: NOT_ALLOWED,
    errno.ENOTDIR: FILE_IN_THE_WAY,
    errno.EEXIST: FILE_IN_THE_WAY,
}
"""What an operating system refuses, and what a person can do about it."""


class Resumable(KeyboardInterrupt):
    """Stopped by the person, and the same command goes on from there."""


class Verbs(TyperGroup):
    """The verbs; what they raise is told in a sentence."""

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
            if error.errno not in REFUSALS:
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            raise ended(where + REFUSALS[error.errno], MENDABLE) from error
        except Resumable:
            raise ended(f"stopped; go on with: {ctx.obj}", STOPPED) from None
        except KeyboardInterrupt:
            raise ended("stopped", STOPPED) from None


def ended(sentence: str, code: int) -> typer.Exit:
    """Say a sentence on stderr; what is returned, raised, ends the program with `code`."""
    typer.echo(f"rhinoise: {sentence}" if code == MENDABLE else sentence, err=True)
    return typer.Exit(code)
