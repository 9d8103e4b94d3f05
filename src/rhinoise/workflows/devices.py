"""A device that gives out in the midst of a workflow, in a sentence."""

from collections.abc import Callable, Generator
from functools import wraps
from typing import ParamSpec, TypeVar

from rhinoise.core.backend import is_exhausted, is_lost
from rhinoise.core.errors import DeviceError

P = ParamSpec("P")
E = TypeVar("E")
T = TypeVar("T")
Work = Callable[P, Generator[E, None, T]]


def device_errors_told(remedy: str) -> Callable[[Work[P, E, T]], Work[P, E, T]]:
    """A workflow that raises DeviceError when memory runs out (see `remedy`) or a GPU stops working."""

    def told(work: Work[P, E, T]) -> Work[P, E, T]:
        @wraps(work)
        def working(*arguments: P.args, **named: P.kwargs) -> Generator[E, None, T]:
            try:
                return (yield from work(*arguments, **named))
            except (RuntimeError, MemoryError) as error:
                if is_exhausted(error):
                    raise DeviceError(f"memory ran out: close other programs, {remedy}") from error
                if is_lost(error):
                    what = str(error).splitlines()[0]
                    raise DeviceError(
                        f"the GPU stopped working ({what}): the same command does without it where it is "
                        "hidden (CUDA_VISIBLE_DEVICES=-1)"
                    ) from error
                raise

        return working

    return told
