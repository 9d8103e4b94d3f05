"""A device that gives out is told in a sentence, by every workflow that computes."""

import pytest
import torch

from rhinoise.core.errors import ConfigError, DeviceError
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Said


@device_errors_told("or ask for less")
def working(error: BaseException | None):
    """Tells, waits, fails."""
    answer = yield Said("at work")
    if error is not None:
        raise error
    return answer


TOLD = {
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"): (
        "memory ran out: close other programs, or ask for less"
    ),
    MemoryError(): "memory ran out: close other programs, or ask for less",
    torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be"): (
        "the GPU stopped working (CUDA error: unspecified launch failure): the same command does without it "
        "where it is hidden (CUDA_VISIBLE_DEVICES=-1)"
    ),
}


@pytest.mark.parametrize("error", TOLD, ids=lambda error: type(error).__name__)
def test_it_is_told(error):
    with pytest.raises(DeviceError) as refused:
        list(working(error))
    assert str(refused.value) == TOLD[error]
    assert refused.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ConfigError("a b")], ids=str)
def test_everything_else_stays(error):
    with pytest.raises(type(error)) as kept:
        list(working(error))
    assert kept.value is error


def test_a_workflow_stays_one():
    work = working(None)
    assert next(work) == Said("at work")
    with pytest.raises(StopIteration) as end:
        work.send("done")
    assert end.value.value == "done"
    assert working.__doc__ == "Tells, waits, fails."
