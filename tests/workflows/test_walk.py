"""The straight way between two pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rhinoise.core.errors import ConfigError
from rhinoise.core.images import to_pil, to_tensor
from rhinoise.workflows.paths import open_model, read_picture, squared
from rhinoise.workflows.walk import WalkRequest, walk


def test_a_walk_goes_from_what_the_autoencoder_leaves_of_one_to_that_of_the_other(
    trained: Path, shapes: Path, tmp_path: Path
) -> None:
    ends = [shapes / "red-circle.png", shapes / "blue-bar.png"]
    list(walk(WalkRequest(begin=ends[0], end=ends[1], model=trained, out=tmp_path / "way", frames=3)))
    frames = [np.asarray(Image.open(path), int) for path in sorted((tmp_path / "way").glob("*.png"))]
    assert len(frames) == 3
    model = open_model(trained, "fp32")
    for path, frame in ((ends[0], frames[0]), (ends[1], frames[2])):
        x0 = to_tensor([squared(read_picture(path), model.size, "pad")])
        (left,) = to_pil(model.decode(model.encode(x0)))
        assert np.abs(np.asarray(left, int) - frame).max() <= 1
    assert np.abs(frames[1] - frames[0]).max() > 1
    assert np.abs(frames[1] - frames[2]).max() > 1


def test_a_walk_has_something_between_its_ends(shapes: Path, tmp_path: Path) -> None:
    request = WalkRequest(begin=shapes / "red-bar.png", end=shapes / "blue-bar.png", out=tmp_path, frames=2)
    with pytest.raises(ConfigError, match="--frames 3 or more"):
        list(walk(request))
