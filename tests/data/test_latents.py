"""What is encoded once is kept: found by its key, centred exactly, whole or not there."""

import os
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from rhinoise.core.errors import DiskFullError
from rhinoise.core.files import digest
from rhinoise.data import latents
from rhinoise.data.latents import centre, encoded


def rows(count, seed=0):
    return np.random.default_rng(seed).normal(3, 2, (count, 4, 2, 2)).astype(np.float32)


def chunks(whole, drawn, size=5):
    for start in range(0, len(whole), size):
        drawn.append(start)
        part = whole[start : start + size]
        yield {"latents": part, "mask": part[:, 0, 0] > 3}


def test_chunks_come_back_as_whole_arrays(tmp_path):
    whole, drawn = rows(12), []
    kept = encoded(tmp_path, "key", 12, chunks(whole, drawn))
    assert drawn == [0, 5, 10]
    assert np.array_equal(kept["latents"], whole)
    assert np.array_equal(kept["mask"], whole[:, 0, 0] > 3)
    assert kept["mask"].dtype == bool
    assert all(isinstance(array, np.memmap) and not array.flags.writeable for array in kept.values())


@pytest.mark.skipif(os.name == "nt", reason="there nobody can be asked whether it lives")
def test_what_a_killed_process_left_is_removed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    (tmp_path / f".key.{dead.pid}.tmp").mkdir()
    encoded(tmp_path, "key", 12, chunks(rows(12), []))
    assert os.listdir(tmp_path) == ["key"]


def test_what_is_kept_is_not_encoded_again(tmp_path):
    first, drawn = encoded(tmp_path, "key", 12, chunks(rows(12), [])), []
    again = encoded(tmp_path, "key", 12, chunks(rows(12, seed=1), drawn))
    assert drawn == []
    assert np.array_equal(first["latents"], again["latents"])


def test_another_key_is_another_array(tmp_path):
    """As when a picture, its preparation or a weight of the encoder changes."""
    keys = [digest("latents", pictures, weights) for pictures in "ab" for weights in "cd"]
    kept = [encoded(tmp_path, key, 12, chunks(rows(12, seed), [])) for seed, key in enumerate(keys)]
    for seed, arrays in enumerate(kept):
        assert np.array_equal(arrays["latents"], rows(12, seed))
    assert sorted(os.listdir(tmp_path)) == sorted(keys)


def test_centring_is_exact(tmp_path):
    """More rows than it looks at in one go, and a mean that would drown the rest in float32 sums."""
    whole = rows(2 * latents._CHUNK + 3) + np.array([0, 1000, -50, 0], np.float32)[:, None, None]
    whole[::5] += 3  # what is held out is moved along and counts for nothing
    learnt = np.setdiff1d(np.arange(len(whole)), np.arange(0, len(whole), 5))
    centred = whole.copy()
    mean, std = centre(centred, learnt)
    np.testing.assert_allclose(mean, whole[learnt].mean((0, 2, 3), dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(std, whole[learnt].std((0, 2, 3), dtype=np.float64), rtol=1e-4)
    np.testing.assert_allclose(centred[learnt].mean((0, 2, 3), dtype=np.float64), 0, atol=1e-4)
    np.testing.assert_allclose(centred[learnt].std((0, 2, 3), dtype=np.float64), 1, atol=1e-4)
    back = centred * std[:, None, None] + mean[:, None, None]
    np.testing.assert_allclose(back, whole, rtol=1e-6, atol=1e-5)


def test_the_finish_sees_all_and_leaves_what_it_says(tmp_path):
    whole = rows(12)
    kept = encoded(
        tmp_path,
        "key",
        12,
        chunks(whole, []),
        lambda arrays: dict(zip(("mean", "std"), centre(arrays["latents"], np.arange(12)), strict=True)),
    )
    np.testing.assert_allclose(kept["latents"].mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(kept["latents"].std((0, 2, 3)), 1, atol=1e-5)
    again = kept["latents"] * kept["std"][:, None, None] + kept["mean"][:, None, None]
    np.testing.assert_allclose(again, whole, rtol=1e-5, atol=1e-5)


def test_a_channel_that_never_changes_stays_finite():
    still = np.full((6, 1, 2, 2), 7.0, np.float32)
    mean, std = centre(still, np.arange(6))
    assert (mean, std) == (7, 0)
    assert np.array_equal(still, np.zeros_like(still))


def broken(whole):
    yield from chunks(whole[:5], [])
    raise RuntimeError("the encoder failed")


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError, match="the encoder failed"):
        encoded(tmp_path, "key", 12, broken(rows(12)))
    assert os.listdir(tmp_path) == []


def test_no_room_is_said_before_anything_is_encoded(tmp_path, monkeypatch):
    disk = namedtuple("disk", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: disk(1000, 900, 100))
    with pytest.raises(DiskFullError, match="RHINOISE_CACHE"):
        encoded(tmp_path, "key", 12, chunks(rows(12), []))
    assert os.listdir(tmp_path) == []
