"""A batch is a function of (seed, step), whatever was drawn before."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rhinoise.core.shapes import TextEmbedding
from rhinoise.training.batches import (
    Batches,
    CaptionedBatches,
    Captions,
    DenoisingBatches,
    ImageBatches,
    order,
    to_images,
)

PICTURES, SIZE = 11, 4
CAPTIONS = Captions.of([[f"picture {i}", *(f"also {i} {j}" for j in range(i % 3))] for i in range(PICTURES)])
TRAIN = np.array([0, 2, 3, 5, 6, 7, 9])  # the others are held out
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (PICTURES, 3, 8, 8), dtype=np.uint8)
LATENTS = RNG.normal(size=(PICTURES, 4, 2, 2)).astype(np.float32)
TOKENS = torch.arange(len(CAPTIONS.rows))[:, None].expand(-1, 3)


def embed(rows):
    tokens = torch.from_numpy(rows)[:, None, None].float()
    return TextEmbedding(tokens=tokens, mask=torch.ones(len(rows), 1, dtype=torch.bool), pooled=tokens[:, 0])


def batches(kind: str, seed: int = 3) -> Batches:
    common = {"indices": TRAIN, "size": SIZE, "seed": seed}
    if kind == "images":
        return ImageBatches(pixels=PIXELS, steps=10, latent_shape=(4, 2, 2), **common)
    if kind == "captioned":
        return CaptionedBatches(pixels=PIXELS, captions=CAPTIONS, tokens=TOKENS, **common)
    return DenoisingBatches(latents=LATENTS, captions=CAPTIONS, text=embed, caption_dropout=0.3, **common)


KINDS = ("images", "captioned", "denoising")


def tensors(value):
    """All tensors of a batch."""
    if isinstance(value, torch.Tensor):
        return [value]
    if dataclasses.is_dataclass(value):
        return [
            tensor for field in dataclasses.fields(value) for tensor in tensors(getattr(value, field.name))
        ]
    return []


def equal(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_does_not_depend_on_history(kind):
    straight = [batches(kind).at(step) for step in range(6)]
    torch.manual_seed(1)
    resumed = batches(kind)
    for step in (4, 1, 5, 1):
        assert equal(resumed.at(step), straight[step])
    assert not any(equal(straight[0], other) for other in straight[1:])
    assert not equal(batches(kind, seed=4).at(0), straight[0])


@given(count=st.integers(1, 40), size=st.integers(1, 16), seed=st.integers(0, 5), epochs=st.integers(1, 4))
def test_every_epoch_is_a_permutation(count, size, seed, epochs):
    steps = -(-count * epochs // size)
    seen = np.concatenate([order(seed, count, size, step) for step in range(steps)])
    for epoch in range(epochs):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_epochs_and_seeds_are_shuffled_apart():
    first, second, other = order(0, 50, 50, 0), order(0, 50, 50, 1), order(1, 50, 50, 0)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_held_out_pictures_are_never_seen():
    seen = {tuple(x0.flatten().tolist()) for step in range(20) for x0 in batches("denoising").at(step).x0}
    assert seen == {tuple(LATENTS[index].flatten().tolist()) for index in TRAIN}


@pytest.mark.parametrize("kind", ["captioned", "denoising"])
def test_every_caption_is_used_and_belongs_to_its_picture(kind):
    whole, used, seen = batches(kind), set(), LATENTS if kind == "denoising" else to_images(PIXELS).numpy()
    for step in range(60):
        batch = whole.at(step)
        pictures = batch.x0 if kind == "denoising" else batch.images
        rows = batch.text.tokens[:, 0, 0].int() if kind == "denoising" else batch.tokens[:, 0]
        for picture, row in zip(pictures, rows.tolist(), strict=True):
            index = next(i for i in range(PICTURES) if np.array_equal(seen[i], picture.numpy()))
            assert CAPTIONS.rows[row] in (f"picture {index}", f"also {index} 0", f"also {index} 1")
            used.add(row)
    own = [range(first, first + count) for first, count in zip(CAPTIONS.first, CAPTIONS.count, strict=True)]
    assert used == {row for index in TRAIN for row in own[index]}


def test_captions_are_picked_evenly():
    captions = Captions.of([["a", "b", "c"]])
    picked = np.concatenate([captions.pick(np.zeros(100, np.int64), 0, step) for step in range(30)])
    counts = np.bincount(picked, minlength=3)
    assert abs(counts - 1000).max() < 4 * np.sqrt(3000 * 2 / 9)


def test_times_are_spread_over_the_batch():
    for step in range(10):
        uniforms = batches("denoising").at(step).uniforms
        assert sorted((uniforms * SIZE).int().tolist()) == list(range(SIZE))
        assert 0 <= float(uniforms.min()) <= float(uniforms.max()) < 1


def test_captions_are_hidden_as_often_as_asked():
    hidden = torch.cat([batches("denoising").at(step).dropped for step in range(500)]).float().mean()
    assert abs(float(hidden) - 0.3) < 4 * (0.21 / 2000) ** 0.5


def test_noise_is_fresh_at_every_step():
    drawn = torch.cat([batches("denoising").at(step).eps for step in range(200)])
    assert len(torch.unique(drawn)) > 0.99 * drawn.numel()
    assert abs(float(drawn.std()) - 1) < 0.05


def test_images_are_the_pixels():
    batch = batches("images").at(0)
    chosen = TRAIN[order(3, len(TRAIN), SIZE, 0)]
    assert torch.equal((batch.images * 127.5 + 127.5).round().byte(), torch.from_numpy(PIXELS[chosen]))
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert [batches("images").at(step).progress for step in (0, 5)] == [0, 0.5]
