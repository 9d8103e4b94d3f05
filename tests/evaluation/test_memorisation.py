"""The nearest are the nearest, the thresholds keep their share, and what cannot be told is not."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rhinoise.core.images import from_uint8, square, to_uint8
from rhinoise.data.dataset import Dataset, Example
from rhinoise.data.pixels import Preparation, Prepared
from rhinoise.evaluation.memorisation import (
    BLOCK,
    CONFIDENCE,
    LEAST,
    PIXELS,
    SHARES,
    SIDE,
    Meter,
    calibrated,
    index,
    looked,
    matched,
    nearest,
    neighbours,
    rates,
    score,
    small_pixels,
    threshold,
)


def blocks_of(x: torch.Tensor, each: int) -> list[np.ndarray]:
    return [part.numpy().astype(np.float16) for part in x.split(each)]


def prepared(array: np.ndarray) -> Prepared:
    names = [str(i) for i in range(len(array))]
    return Prepared(
        dataset=Dataset(
            name="made",
            examples=tuple(Example(name=name, captions=(name,), digest=name) for name in names),
            read=lambda *_: square(None, 1),
        ),
        array=array,
        preparation=Preparation(size=array.shape[-1]),
        key=str(array.sum()),
    )


@pytest.mark.parametrize("each", [1, 7, 100])
def test_the_nearest_in_blocks_are_those_of_all_distances(each: int) -> None:
    torch.manual_seed(0)
    x, queries = torch.randn(60, 12).half().float(), torch.randn(9, 12)
    found = nearest(queries, blocks_of(x, each), 11)
    distances, rows = torch.cdist(queries, x, compute_mode="donot_use_mm_for_euclid_dist").topk(
        11, largest=False
    )
    torch.testing.assert_close(found.distances, distances)
    assert torch.equal(found.rows, rows)
    torch.testing.assert_close(found.ratios, distances[:, 0] / distances.mean(dim=1))


def test_a_copy_is_at_distance_0_however_far_it_is_from_the_origin() -> None:
    x = (1000 + torch.randn(40, 256)).half().float()
    found = nearest(x[[5, 31]], blocks_of(x, 16), 10)
    assert found.rows[:, 0].tolist() == [5, 31]
    assert found.distances[:, 0].tolist() == found.ratios.tolist() == [0, 0]


def test_where_all_are_alike_a_copy_has_ratio_0_and_any_other_1() -> None:
    x = torch.ones(40, 8)
    found = nearest(torch.stack([x[0], 2 * x[0]]), blocks_of(x, 40), 10)
    assert found.ratios.tolist() == [0, 1]


def test_a_set_of_one_picture_has_one_neighbour() -> None:
    assert [neighbours(n) for n in (1, 7, 8, 100, 200, 200_000)] == [1, 1, 2, 25, 50, 50]
    found = nearest(torch.zeros(1, 4), blocks_of(torch.ones(1, 4), 1), neighbours(1))
    assert found.ratios.tolist() == [1]


@pytest.mark.parametrize("size", [8, SIDE, 80])
def test_pictures_are_averaged_down_and_never_enlarged(size: int) -> None:
    images = torch.rand(2, 3, size, size) * 2 - 1
    seen = small_pixels(images).view(2, 3, min(size, SIDE), -1)
    torch.testing.assert_close(seen.mean(dim=(2, 3)), images.mean(dim=(2, 3)), atol=0.02, rtol=0)
    if size <= SIDE:
        assert torch.equal(seen, images)


def test_what_was_looked_at_is_kept_and_found_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("rhinoise.evaluation.memorisation.BLOCK", 8)
    array = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    data, rows, calls = prepared(array), np.arange(1, 20), []

    def counted(images: torch.Tensor) -> torch.Tensor:
        calls.append(len(images))
        return small_pixels(images)

    view = replace(PIXELS, look=counted)
    first = list(index(view, data, rows, tmp_path))
    again = list(index(view, data, rows, tmp_path))
    assert [len(block) for block in first] == [8, 8, 3]
    assert sum(calls) == len(rows)
    own = looked(PIXELS, from_uint8(torch.from_numpy(array[rows])))
    np.testing.assert_array_equal(np.concatenate(again), own.numpy())
    list(index(replace(view, key="another"), data, rows, tmp_path))
    list(index(view, data, rows[:8], tmp_path))
    assert sum(calls) == 2 * len(rows)
    list(index(view, data, rows[::-1], tmp_path))
    assert sum(calls) == 3 * len(rows)
    assert BLOCK > 8


@pytest.mark.parametrize("share", SHARES.values())
@pytest.mark.parametrize("n", [LEAST, 88, 300])
def test_a_threshold_keeps_its_share_with_the_promised_confidence(n: int, share: float) -> None:
    """Of uniform scores, the part below a threshold is the threshold itself."""
    rng = np.random.default_rng(0)
    found = np.array([threshold(rng.random(n).tolist(), share) for _ in range(2000)])
    assert (found <= share).mean() >= CONFIDENCE - 0.02
    # Not by being useless: the largest such place is taken.
    place = round(np.median(found) * (n + 1))
    tail = sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(place + 2))
    assert tail > 1 - CONFIDENCE


def test_too_few_pictures_set_no_threshold() -> None:
    assert threshold([0.5] * (LEAST - 1), SHARES["replica"]) is None
    assert threshold([0.5] * LEAST, SHARES["replica"]) == 0.5
    few = calibrated([0.5] * (LEAST - 1), [0.1])
    assert not few.trusted
    assert few.label(0.0) is None
    assert few.tested.labels == {}
    assert rates([], []).score is None


def test_copies_among_the_held_out_leave_nothing_to_tell() -> None:
    assert not calibrated([0.0] * 10 + [0.5] * 80, [0.0]).trusted


def test_labels_follow_the_thresholds() -> None:
    found = calibrated(np.linspace(0, 1, 101)[1:].tolist(), [0.001, 0.1, 0.9, 0.95])
    assert 0 < found.thresholds["replica"] < found.thresholds["near"] < 1
    assert [found.label(x) for x in (0.001, 0.1, 0.9)] == ["replica", "near", "new"]
    assert found.label(found.thresholds["replica"]) == "near"  # as low is not lower
    assert found.tested.labels == {"replica": 0.25, "near": 0.25, "new": 0.5}


def test_pictures_seen_again_are_replicas_and_unseen_ones_seldom(tmp_path) -> None:
    """Noisy copies of training pictures, and real ones: among them twins, which differ in a tenth."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (400, 3, 8, 8), dtype=np.uint8)
    array[380:, 0] = array[:20, 0]
    data = prepared(array)
    train, held_out = np.arange(200), rng.permutation(np.arange(200, 400))
    indexes = {"pixels": list(index(PIXELS, data, train, tmp_path))}
    unseen = looked(PIXELS, data.images(held_out.tolist()))
    scores = [score(one) for one in matched({"pixels": unseen}, indexes)]
    meter = Meter(views=(PIXELS,), indexes=indexes, calibration=calibrated(scores[:100], scores[100:]))
    assert meter.calibration.tested.labels["replica"] <= 0.05
    copies = data.images(list(range(50)))
    noisy = from_uint8(to_uint8(copies + 0.1 * torch.randn_like(copies)))
    found = meter(noisy)
    assert [one.matches["pixels"].row for one in found] == list(range(50))
    assert all(one.label == "replica" for one in found)
