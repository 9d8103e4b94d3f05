"""Checkpoints: whole or not there, the newest wins, and a damaged one is named."""

import os

import pytest
import torch

from rhinoise.core.errors import RunFolderError
from rhinoise.training import checkpoint


def tensors(step):
    return {"weights.a": torch.full((3, 2), float(step)), "optimizer.a:step": torch.tensor(float(step))}


@pytest.fixture
def folder(tmp_path):
    for step in (1, 9, 10, 200):
        checkpoint.save(tmp_path / "state", step, tensors(step), {"seconds": step / 10, "steps": 300})
    return tmp_path / "state"


def test_the_newest_is_read_and_few_are_kept(folder):
    found, facts = checkpoint.load(folder)
    assert facts == {"step": 200, "seconds": 20.0, "steps": 300}
    assert found.keys() == tensors(200).keys()
    assert all(torch.equal(found[name], value) for name, value in tensors(200).items())
    assert sorted(os.listdir(folder)) == ["00000010.safetensors", "00000200.safetensors"]


def test_nothing_there_is_no_checkpoint(tmp_path):
    assert checkpoint.load(tmp_path / "nothing") is None


@pytest.mark.parametrize("leftover", [".00000201.safetensors.77.tmp", "done.safetensors", "00000201.txt"])
def test_leftovers_do_no_harm(folder, leftover):
    (folder / leftover).write_bytes(b"half")
    assert checkpoint.load(folder)[1]["step"] == 200
    checkpoint.save(folder, 300, tensors(300), {})
    assert checkpoint.load(folder)[1]["step"] == 300
    checkpoint.remove_all(folder)
    assert os.listdir(folder) == [leftover]


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_damaged_one_is_named_with_its_remedy(folder, length):
    """Never passed over silently; our writing cannot leave one, a disk can."""
    newest = folder / "00000200.safetensors"
    newest.write_bytes(newest.read_bytes()[:length])
    with pytest.raises(RunFolderError, match=r"00000200\.safetensors is damaged .*remove it"):
        checkpoint.load(folder)
    newest.unlink()
    assert checkpoint.load(folder)[1]["step"] == 10


def test_prefixes_are_inverse():
    both = checkpoint.prefixed("a", {"x": torch.ones(1)}) | checkpoint.prefixed("ab", {"x": torch.zeros(1)})
    assert both.keys() == {"a.x", "ab.x"}
    assert torch.equal(checkpoint.under("a", both)["x"], torch.ones(1))
    assert checkpoint.under("a", both).keys() == {"x"}
