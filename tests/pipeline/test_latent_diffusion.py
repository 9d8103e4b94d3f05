"""Drawing: one seed is one picture, pictures to start from, masks, guidance, and the steps in between."""

from dataclasses import replace

import pytest
import torch

from rhinoise.core.errors import ConfigError
from rhinoise.core.random import INITIAL, noise
from rhinoise.diffusion.samplers import SAMPLERS
from rhinoise.pipeline import latent_diffusion
from rhinoise.pipeline.latent_diffusion import LatentDiffusion, batches
from rhinoise.pipeline.request import GenerateRequest, alike

ASKED = GenerateRequest(prompt="a rhinoceros", seed=5)
LEVEL = 2 / 255
"""A step of 1/255 of a picture in [-1, 1]."""


@pytest.fixture(scope="module")
def picture():
    chance = torch.Generator().manual_seed(3)
    return torch.rand(1, 3, 16, 16, generator=chance) * 2 - 1


@pytest.fixture(scope="module")
def mask():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8:] = 1
    return mask


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("precision", "within"), [("fp32", 1), ("bf16", 4)])
def test_a_picture_does_not_depend_on_its_batch(parts, sampler, precision, within):
    """The noise is the same, bit for bit; the network rounds differently in another batch."""
    model = LatentDiffusion.of(parts, precision=precision, device=torch.device("cpu"))
    asked = replace(ASKED, sampler=sampler)
    together = model.generate(replace(asked, count=7))
    alone = torch.cat([model.generate(replace(asked, first=index)) for index in range(7)])
    assert (together - alone).abs().max() <= within * LEVEL
    assert (together[0] - together[1]).abs().max() > 20 * LEVEL


def test_many_pictures_are_drawn_in_batches(model, monkeypatch):
    whole = model.generate(replace(ASKED, count=5))
    monkeypatch.setattr(latent_diffusion, "BATCH", 2)
    assert [(part.first, part.count) for part in batches(replace(ASKED, first=3, count=5))] == [
        (3, 2),
        (5, 2),
        (7, 1),
    ]
    torch.testing.assert_close(model.generate(replace(ASKED, count=5)), whole, atol=LEVEL, rtol=0)


def test_a_prompt_each_draws_what_they_draw_alone(model):
    prompts = ["a rhinoceros", "a hippopotamus", "a rhinoceros"]
    together = torch.cat(list(model.illustrate(prompts, seed=5)))
    for index, prompt in enumerate(prompts):
        alone = model.generate(replace(ASKED, prompt=prompt, first=index))
        torch.testing.assert_close(together[index : index + 1], alone, atol=LEVEL, rtol=0)


def several(picture, mask, given):
    """Three requests that differ in all in which they may; `given` says what they start from."""
    others = {"image": {"image": -picture, "strength": 0.7}, "mask": {"image": -picture, "mask": 1 - mask}}
    own = {"image": {"image": picture, "strength": 0.7}, "mask": {"image": picture, "mask": mask}}
    return [
        replace(ASKED, count=2, first=3, **own.get(given, {})),
        replace(ASKED, prompt="a hippopotamus", negative="grey", seed=8, **others.get(given, {})),
        replace(ASKED, negative="a hippopotamus", count=3, **own.get(given, {})),
    ]


@pytest.mark.parametrize("given", ["nothing", "image", "mask"])
@pytest.mark.parametrize("sampler", ["dpmpp_2m_sde", "unipc"])
def test_requests_drawn_together_draw_what_each_draws_alone(model, picture, mask, given, sampler):
    requests = [replace(one, sampler=sampler) for one in several(picture, mask, given)]
    *_, last = model.steps(*requests)
    parts = last.x.split([one.count for one in requests])
    together = [model.finish(one, part) for one, part in zip(requests, parts, strict=True)]
    alone = [model.generate(one) for one in requests]
    for ours, its in zip(together, alone, strict=True):
        torch.testing.assert_close(ours, its, atol=LEVEL, rtol=0)
    # Each of them is another picture, so that none was taken for another.
    pictures = torch.cat(alone)
    for row in range(1, len(pictures)):
        assert (pictures[:row] - pictures[row]).abs().amax(dim=(1, 2, 3)).min() > 2 * LEVEL


def test_a_request_of_two_pictures_is_two_requests_of_one(model):
    """The same batch, bit for bit, however it is asked for."""
    *_, whole = model.steps(replace(ASKED, count=2))
    *_, apart = model.steps(ASKED, replace(ASKED, first=1))
    assert torch.equal(whole.x, apart.x)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"steps": 3}, "differ in steps "),
        ({"guidance": 1.0, "sampler": "heun"}, "differ in guidance, sampler "),
        ({"image": torch.zeros(1, 3, 16, 16)}, "differ in image "),
        ({"paste": True, "guidance_interval": (0.1, 0.9)}, "differ in guidance_interval, paste "),
    ],
    ids=str,
)
def test_requests_that_are_drawn_differently_are_no_batch(model, changed, says):
    other = replace(ASKED, **changed)
    assert alike(ASKED) != alike(other)
    with pytest.raises(ConfigError, match=says):
        next(model.steps(ASKED, other))


def test_what_may_differ_leaves_requests_alike(picture, mask):
    for given in ("nothing", "image", "mask"):
        assert len({alike(one) for one in several(picture, mask, given)}) == 1


def test_seeds_and_prompts_matter_and_nothing_else_does(model):
    first = model.generate(ASKED)
    torch.manual_seed(99)
    assert torch.equal(model.generate(ASKED), first)
    for other in (replace(ASKED, seed=6), replace(ASKED, prompt="a hippopotamus")):
        assert (model.generate(other) - first).abs().max() > LEVEL


def test_every_step_is_seen_and_the_last_is_the_picture(model):
    steps = list(model.steps(ASKED))
    assert len(steps) == model.sampling.steps
    assert steps[-1].level.is_clean
    assert torch.equal(model.finish(ASKED, steps[-1].x), model.generate(ASKED))
    assert len(list(model.steps(replace(ASKED, steps=3)))) == 3
    running = model.steps(ASKED)
    next(running)
    running.close()  # cancelling is leaving the loop


def test_guidance_of_one_is_the_prompt_alone_and_of_zero_the_negative_one(model):
    plain = model.generate(replace(ASKED, guidance=1.0))
    torch.testing.assert_close(
        model.generate(replace(ASKED, guidance=1.0, negative="a hippopotamus")), plain, atol=LEVEL, rtol=0
    )
    torch.testing.assert_close(
        model.generate(replace(ASKED, prompt="whatever", negative="a rhinoceros", guidance=0.0)),
        plain,
        atol=LEVEL,
        rtol=0,
    )


def test_there_and_back(model, picture):
    latents = model.encode(picture)
    assert latents.shape[1:] == model.latent_shape(16)
    torch.testing.assert_close(model.encode(model.decode(latents)), latents, atol=0.5, rtol=0)
    many = picture.expand(2 * latent_diffusion.BATCH + 1, -1, -1, -1)
    torch.testing.assert_close(model.encode(many)[-1:], latents, atol=1e-5, rtol=0)


def test_a_little_strength_changes_little(model, picture):
    own = model.decode(model.encode(picture))
    moved = [
        float((model.generate(replace(ASKED, image=picture, strength=strength)) - own).square().mean())
        for strength in (0.01, 0.3, 1.0)
    ]
    assert moved == sorted(moved)
    assert moved[0] < 1e-3


def test_the_picture_is_noised_by_its_own_noise(model, picture):
    """The sampler starts at level.add_noise(x0, eps)."""
    asked = replace(ASKED, image=picture, strength=0.5, first=2)
    level = model.levels(asked)[0]
    eps = noise(5, 2, INITIAL, model.latent_shape(16))[None]
    start = level.add_noise(model.encode(picture), eps)
    text = model.embed([asked.prompt])
    x0 = model.denoiser(start, level, text)
    first = next(iter(model.steps(replace(asked, guidance=1.0))))
    torch.testing.assert_close(first.x0, x0, atol=1e-4, rtol=0)


def test_outside_a_mask_the_picture_stays(model, picture, mask):
    own = model.decode(model.encode(picture))
    drawn = model.generate(replace(ASKED, image=picture, mask=mask, count=2))
    torch.testing.assert_close(drawn[..., :8], own[..., :8].expand(2, -1, -1, -1), atol=1e-5, rtol=0)
    assert (drawn[..., 8:] - own[..., 8:]).abs().mean() > LEVEL
    pasted = model.generate(replace(ASKED, image=picture, mask=mask, paste=True))
    assert torch.equal(pasted[..., :8], picture[..., :8])


def test_a_latent_is_drawn_anew_when_any_of_its_pixels_is(model):
    mask = torch.zeros(1, 1, 16, 16)
    mask[0, 0, 3, 5] = 1
    expected = torch.zeros(1, 1, 8, 8)
    expected[0, 0, 1, 2] = 1
    assert torch.equal(model._latent_mask(mask), expected)


def test_the_parts_stay_as_they_were(parts):
    """Binding for half precision cast the network that was then saved."""
    LatentDiffusion.of(parts, precision="bf16", device=torch.device("cpu"))
    assert {parameter.dtype for parameter in parts.network.parameters()} == {torch.float32}


def test_its_own_way_of_drawing_travels(model, tmp_path):
    other = replace(model, sampling=replace(model.sampling, steps=3, guidance=1.5))
    other.save(tmp_path / "model")
    again = LatentDiffusion.load(tmp_path / "model", precision="fp32")
    assert again.sampling == other.sampling
    assert torch.equal(again.generate(ASKED), other.generate(ASKED))
