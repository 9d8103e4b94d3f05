"""The comparison of quality after minutes: plan, clock, arithmetic, report, a peer's resuming."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.quality import report
from bench.quality.__main__ import plan
from bench.quality.clock import CLOCKS, Stopwatch
from bench.quality.contestants import CONTESTANTS, OURS, gone_past, jobs, minutes_to_train
from bench.quality.drawn import draw_chunk, read_chunks, to_uint8
from bench.quality.peers.training import BATCH, Given, Peer, Training
from bench.quality.pictures import GALLERY, Pictures, spread
from bench.quality.reach import Reached, reach
from rhinoise.core.files import write_json

# --- what is done


def test_every_job_once_and_peers_go_on_to_the_longest_budget():
    every = jobs(list(CONTESTANTS), [3.0, 12.0], [0, 1], longest=60.0)
    names = [job.name for job in every]
    assert len(set(names)) == len(names) == 2 * (2 + 3 * (len(CONTESTANTS) - 1))
    assert {job.budget for job in every if job.who == OURS} == {3.0, 12.0}
    assert {job.budget for job in every if job.who != OURS} == {3.0, 12.0, 60.0}


def test_a_seed_and_a_budget_are_finished_for_everybody_before_the_next():
    every = jobs(list(CONTESTANTS), [12.0, 3.0], [1, 0], longest=12.0)
    assert [(job.seed, job.budget) for job in every] == sorted((job.seed, job.budget) for job in every)


@pytest.mark.parametrize("who", CONTESTANTS)
def test_only_a_constant_rate_goes_on_from_the_budget_before(who):
    every = jobs([who], [3.0, 12.0], [0], longest=12.0)
    left = [minutes_to_train(job, every) for job in every]
    assert left == ([3.0, 9.0] if CONTESTANTS[who].one_training else [3.0, 12.0])


def test_a_training_that_has_gone_past_a_budget_cannot_be_looked_at_there():
    every = jobs(list(CONTESTANTS), [3.0, 12.0], [0, 1], longest=12.0)
    assert gone_past(every, {job.name for job in every if job.budget == 3.0}) == []
    missed = gone_past(every, {job.name for job in every if (job.budget, job.seed) == (12.0, 1)})
    assert {(job.budget, job.seed) for job in missed} == {(3.0, 1)}
    assert {job.who for job in missed} == {name for name, who in CONTESTANTS.items() if who.one_training}


def test_the_plan_tells_what_is_left():
    every = jobs([OURS], [6.0, 12.0], [0], longest=12.0)
    everything, rest = plan(every, set(), samples=0), plan(every, {every[0].name}, samples=0)
    assert "about 0.3 hours" in everything
    assert "about 0.2 hours" in rest
    assert rest.count("done") == 1


def test_asked_captions_and_the_gallery_that_holds_their_pictures():
    held_out, train = list(range(10)), list(range(10, 1000))
    pictures = Pictures(
        array=np.zeros((1000, 3, 8, 8), np.uint8),
        captions=[str(row) for row in range(1000)],
        train=train,
        held_out=held_out,
        asked=[*held_out, *spread(train, 300)],
    )
    assert pictures.asked_held_out == 10
    assert pictures.gallery() == pictures.asked[10:][:GALLERY]
    few = Pictures(**{**vars(pictures), "asked": [*held_out, *spread(train, 20)]})
    gallery = few.gallery()
    assert gallery[:20] == few.asked[10:]
    assert len(set(gallery)) == len(gallery) == GALLERY
    assert not set(gallery) & set(held_out)


# --- time


def test_a_stopwatch_counts_only_within_and_goes_on_from_what_was_kept():
    watch = Stopwatch({"wall": 100.0, "cpu": 50.0})
    time.sleep(0.05)
    assert watch.kept() == {"wall": 100.0, "cpu": 50.0}
    with watch.running():
        time.sleep(0.05)
        assert 100.04 < watch.seconds("wall") < 101
    after = watch.kept()
    time.sleep(0.05)
    assert watch.kept() == after
    assert after["cpu"] - 50 < 0.04  # sleeping is no work


def test_the_first_session_counts_from_the_start_of_its_process():
    watch = Stopwatch(None)
    assert watch.seconds("cpu") == pytest.approx(CLOCKS["cpu"](), abs=1)
    assert watch.seconds("wall") > 0.5  # importing torch alone takes longer


# --- how much longer


@pytest.mark.parametrize("higher", [True, False])
def test_a_power_law_reaches_its_target_when_it_should(higher):
    sign = 1 if higher else -1
    curve = [(minutes, sign * math.log(minutes)) for minutes in (3.0, 6.0, 12.0, 30.0, 60.0)]
    found = reach(curve, sign * math.log(20.0), higher=higher)
    assert found.reached
    assert found.minutes == pytest.approx(20.0)


def test_what_is_never_reached_and_what_was_there_at_once():
    curve = [(3.0, 9.0), (60.0, 5.0)]
    assert reach(curve, 4.0, higher=False) == Reached(60.0, False)
    assert reach(curve, 10.0, higher=False) == Reached(3.0, True)
    assert Reached(60.0, False).times(12.0) == "> 5.0 x"
    assert Reached(30.0, True).times(12.0) == "2.5 x"


# --- drawn pictures


def test_a_chunk_that_is_there_is_not_drawn_again(tmp_path):
    def never() -> np.ndarray:
        raise AssertionError

    chunk = to_uint8(np.linspace(-2, 2, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4))
    assert chunk.min() == 0
    assert chunk.max() == 255
    draw_chunk(tmp_path, 16, lambda: chunk + 0)
    draw_chunk(tmp_path, 0, lambda: chunk // 2)
    draw_chunk(tmp_path, 0, never)
    assert (read_chunks(tmp_path) == np.concatenate([chunk // 2, chunk])).all()


# --- a peer's training


class Line(Peer):
    """The smallest peer: a linear map of a picture's means, with an optimizer that remembers."""

    def __init__(self, given: Given, seed: int) -> None:
        super().__init__(given, seed)
        self.network = torch.nn.Linear(3, 1)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-2)

    def step(self, number: int, part: float) -> float:
        means = self.images(self.batch(number)).mean(dim=(2, 3))
        loss = (self.network(means) - torch.randn(BATCH, 1)).square().mean()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("network", "optimizer")}

    def load_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)

    def draw(self, weights: str, rows: range) -> torch.Tensor:
        return torch.randn(len(rows), 3, 4, 4)

    def parameters(self) -> int:
        return 4


@pytest.fixture
def given(tmp_path) -> Path:
    pictures = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 4), dtype=np.uint8)
    np.save(tmp_path / "train.npy", pictures)
    for name in ("tokens", "mask", "asked_tokens", "asked_mask"):
        np.save(tmp_path / f"{name}.npy", np.zeros((50, 2)))
    write_json(tmp_path / "text_seconds.json", {"wall": 1000.0, "cpu": 1000.0})
    return tmp_path


def opened(given: Path, folder: Path, *, minutes: float = 1e3, by_caption: bool = False) -> Training:
    training = Training(Line, by_caption=by_caption)
    training.open(folder=str(folder), given=str(given), seed=3, minutes=minutes, clock="wall")
    return training


def test_a_peer_that_was_killed_goes_on_as_it_would_have(given, tmp_path):
    first = opened(given, tmp_path / "killed")
    first.train(slice_seconds=0.02)
    first.save()
    first.train(slice_seconds=0.02)  # what is not saved happens again
    again = opened(given, tmp_path / "killed")
    assert again.number < first.number
    facts = again.train(slice_seconds=0.02)

    whole = Line(Given(given), 3)
    torch.manual_seed(3)
    whole = Line(Given(given), 3)
    for number in range(again.number):
        torch.manual_seed(3 * 1_000_003 + number)
        loss = whole.step(number, 0.0)
    assert facts["loss"] == loss
    assert facts["images"] == BATCH * again.number


def test_a_peer_stops_at_its_budget_and_its_state_says_so(given, tmp_path):
    training = opened(given, tmp_path / "short", minutes=1.0)
    training.stopwatch.total["wall"] = 59.9
    facts = training.train(slice_seconds=5)
    assert facts["done"]
    assert 60 <= facts["seconds"]["wall"] < 61
    longer = opened(given, tmp_path / "short", minutes=2.0)
    assert not longer.facts()["done"]
    assert longer.facts()["seconds"] == pytest.approx(facts["seconds"])


def test_the_text_encoders_time_is_counted_for_those_who_are_told_captions(given, tmp_path):
    told = opened(given, tmp_path / "told", by_caption=True)
    untold = opened(given, tmp_path / "untold")
    assert told.stopwatch.seconds("cpu") - untold.stopwatch.seconds("cpu") == pytest.approx(1000, abs=5)


def test_every_picture_is_seen_once_an_epoch(given):
    peer = Line(Given(given), 0)
    per_epoch = 50 // BATCH
    for epoch in range(2):
        batches = [peer.batch(epoch * per_epoch + place) for place in range(per_epoch)]
        assert len(torch.cat(batches).unique()) == per_epoch * BATCH
    assert (peer.batch(0) != peer.batch(per_epoch)).any()


# --- the report


def record(who: str, budget: float, kid: float, top5: float | None) -> dict[str, Any]:
    score = {"frechet": 2 * kid, "kid": kid, "kid_error": 1.0}
    if top5 is not None:
        found = {"top1": top5 / 2, "top5": top5, "among": 176}
        score |= {"seen": found, "held_out": found}
    return {
        "who": who,
        "seed": 0,
        "budget": budget,
        "seconds": {"wall": 60 * budget, "cpu": 50 * budget},
        "images": 1000,
        "load": 1.5,
        "commit": "0.1.0, abc",
        "scores": {"raw": score | {"kid": kid + 1}, "ema": score},
    }


def known(*records: dict[str, Any], todo: list[str]) -> dict[str, Any]:
    return {
        "settings": {"clock": "wall", "threads": 1, "samples": 40},
        "machine": {"cpu": "a processor", "cores": 2},
        "versions": {"torch": "2", "peers": {"diffusers": "0"}},
        "controls": {"real": {"kid": 0.0, "kid_error": 1.0, "frechet": 100.0}},
        "jobs": [one for one in records if "refused" not in one],
        "refused": [one for one in records if "refused" in one],
        "to_do": todo,
    }


PICTURES = Pictures(
    array=np.zeros((4, 3, 8, 8), np.uint8), captions=list("abcd"), train=[2, 3], held_out=[0, 1], asked=[0, 2]
)


def test_the_report_says_that_it_is_a_part_and_which():
    records = [record(OURS, 3.0, 100.0, 0.2)]
    assert "A part of it: 1 jobs are done, 1 are to come" in report.markdown(
        known(*records, todo=["x"]), PICTURES
    )
    assert "A part of it" not in report.markdown(known(*records, todo=[]), PICTURES)


def test_the_best_peer_is_the_one_that_needs_the_fewest_minutes():
    everything = known(
        record(OURS, 3.0, 100.0, 0.2),
        record("diffusers-text", 3.0, 300.0, 0.1),
        record("diffusers-text", 12.0, 100.0, 0.15),
        record("lucidrains", 3.0, 400.0, None),
        record("lucidrains", 12.0, 350.0, None),
        todo=[],
    )
    lines = report.markdown(everything, PICTURES).splitlines()
    row = next(line for line in lines if line.startswith("| 3 | KID"))
    assert row == "| 3 | KID x 1000 | 100 | diffusers-text | 12.0 | 4.0 x |"
    row = next(line for line in lines if line.startswith("| 3 | held-out top-5"))
    assert row == "| 3 | held-out top-5 | 20.0% | none | > 12.0 | > 4.0 x |"


def test_a_training_that_was_refused_is_told_and_compared_with_nobody():
    refused = {"who": OURS, "seed": 0, "budget": 3.0, "refused": "PlanError: 23 seconds are left"}
    told = report.markdown(known(refused, record("lucidrains", 3.0, 400.0, None), todo=[]), PICTURES)
    assert "Refused: rhinoise, 3 minutes, seed 0: PlanError: 23 seconds are left." in told
    assert "| rhinoise |" not in told


def test_figures_hold_what_was_measured():
    everything = known(record(OURS, 3.0, 100.0, 0.2), record("lucidrains", 3.0, 400.0, None), todo=[])
    kernel, found = report.curves(everything).axes
    assert [line.get_label() for line in kernel.lines][:2] == [
        f"{OURS}, averaged weights",
        f"{OURS}, raw weights",
    ]
    assert len(kernel.lines) == 5
    assert len(found.lines) == 2  # whoever draws anything finds nothing
