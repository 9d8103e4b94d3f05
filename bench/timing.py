"""How long something takes, by doing it again and again. Only the standard library: every child has it."""

import time
from collections.abc import Callable


def seconds_each(run: Callable[[], object], seconds: float, *, warm_up: int = 1, least: int = 1) -> float:
    """Seconds of one call, over as many as fit in `seconds`, `least` at least; `warm_up` more come first."""
    for _ in range(warm_up):
        run()
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds or count < least:
        run()
        count += 1
    return took / count
