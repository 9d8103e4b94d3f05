"""Events of a job, for who listens from the beginning, from the middle, or too late."""

import asyncio

import pytest

from rhinoise.server.queue.live import MOST_ALIKE, Live


async def heard(live: Live, after: int = 0) -> list[int]:
    return [number async for number, _ in live.follow(after)]


@pytest.mark.parametrize(
    ("after", "numbers"), [(0, [1, 2, 3]), (2, [3]), (3, []), (99, [1, 2, 3]), (-1, [1, 2, 3])]
)
def test_events_are_told_from_the_last_seen_on(after: int, numbers: list[int]) -> None:
    """A number that there is not, of an earlier server's events, once kept the loop busy for ever."""
    live = Live()
    for _ in range(3):
        live.tell({"event": "said"})
    live.ended = True
    assert asyncio.run(asyncio.wait_for(heard(live, after), 5)) == numbers


def test_memory_is_bounded_and_what_is_rare_is_kept() -> None:
    live = Live()
    live.tell({"event": "state"})
    for _ in range(3 * MOST_ALIKE):
        live.tell({"event": "progress"})
    live.ended = True
    assert len(live.events) == MOST_ALIKE + 1
    assert asyncio.run(heard(live))[:2] == [1, 2 * MOST_ALIKE + 2]


def test_who_waits_hears_what_comes() -> None:
    async def both() -> list[int]:
        live = Live()
        listening = asyncio.create_task(heard(live))
        for _ in range(3):
            await asyncio.sleep(0)
            live.tell({"event": "said"})
        live.ended = True
        live.wake()
        return await listening

    assert asyncio.run(both()) == [1, 2, 3]
