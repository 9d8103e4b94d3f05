"""How much memory is free, and how much something takes."""

import mmap
import time

import pytest

from rhinoise.core import memory
from rhinoise.core.memory import Growth, free_memory, watched

MiB = 2**20


def container(folder, limit, held, cache, names):
    folder.mkdir(parents=True)
    limit_name, held_name, cache_name = names
    (folder / limit_name).write_text(f"{limit}\n")
    (folder / held_name).write_text(f"{held}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{cache_name} {cache}\nslab 2\n")


@pytest.mark.parametrize(
    ("line", "place", "names"),
    [
        ("0::/user/app", "user", memory.LIMITS[0]),
        ("0::/", "", memory.LIMITS[0]),
        ("4:memory:/docker/1f", "memory", memory.LIMITS[1]),
        ("4:memory:/docker/1f", "memory/docker/1f", memory.LIMITS[1]),
    ],
    ids=["version 2, outer", "version 2, inside", "version 1, inside", "version 1"],
)
def test_a_container_holds_less_than_the_machine(tmp_path, line, place, names):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    container(root / place, 300 * MiB, 250 * MiB, 30 * MiB, names)
    own.write_text(f"3:cpu:/x\n{line}\n")
    assert list(memory._left_in(memory._containers(own, root))) == [80 * MiB]


def test_without_containers_it_is_what_the_machine_has(tmp_path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    container(root, "max", 5, 0, memory.LIMITS[0])
    assert list(memory._left_in(memory._containers(own, root))) == []
    own.write_text("0::/\n")
    assert list(memory._left_in(memory._containers(own, root))) == []
    assert 16 * MiB < free_memory() < 2**50


def test_growth_is_the_most_there_was_even_if_given_back():
    growth = Growth()
    # Pages from the kernel: what an allocator hands out may be memory that this process held before.
    pages = mmap.mmap(-1, 256 * MiB)
    with watched(growth):
        for page in range(0, len(pages), mmap.PAGESIZE):
            pages[page] = 1
        given_up = time.monotonic() + 30  # a busy machine lets the thread look late
        while growth.bytes < 250 * MiB and time.monotonic() < given_up:
            time.sleep(0.01)
        pages.close()
    assert 250 * MiB < growth.bytes < 400 * MiB
