"""What a person can ask for, and what is refused with a sentence."""

import pytest
import torch

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.pipeline.request import GenerateRequest, SamplingConfig

IMAGE, MASK = torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"sampler": "dpmpp_2n"}, "did you mean 'dpmpp_2m'"),
        ({"spacing": "karas"}, "did you mean 'karras'"),
        ({"steps": 0}, "steps is a number from 1 to 1000, not 0"),
        ({"steps": 1001}, "not 1001"),
        ({"guidance": -1.0}, "guidance is from 0"),
        ({"guidance": 101.0}, "guidance is from 0"),
        ({"count": 0}, "count is a number of pictures"),
        ({"count": 5000}, "not 5000"),
        ({"strength": 0.0, "image": IMAGE}, "strength is above 0"),
        ({"strength": 1.5, "image": IMAGE}, "at most 1"),
        ({"seed": -1}, "a seed is a whole number"),
        ({"seed": 2**63}, "a seed is a whole number"),
        ({"mask": MASK}, "give the picture too"),
        ({"strength": 0.5}, "give the picture too"),
        ({"negative": "a \udcff heart"}, "not UTF-8"),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused(asked, says):
    with pytest.raises((ConfigError, UnknownNameError)) as error:
        GenerateRequest(prompt="x", **asked)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"steps": 1, "guidance": 0.0, "count": 4096, "seed": 2**63 - 1},
        {"steps": 1000, "guidance": 100.0, "first": 7},
        {"image": IMAGE, "mask": MASK, "strength": 1.0, "paste": True},
        {"image": IMAGE, "strength": 0.01, "sampler": "heun", "spacing": "karras"},
    ],
    ids=str,
)
def test_what_can_be_is_taken(asked):
    assert GenerateRequest(prompt="", **asked).count == asked.get("count", 1)


def test_a_models_own_way_is_checked_too():
    with pytest.raises(UnknownNameError):
        SamplingConfig(sampler="euler", spacing="uniform", steps=10, guidance=1.0)
