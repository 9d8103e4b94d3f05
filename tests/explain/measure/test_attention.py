"""Maps of words: their sums, their closed forms, and the drawing that they do not change."""

import math

import pytest
import torch

from rhinoise.core.config import to_json
from rhinoise.core.errors import ConfigError
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.explain.measure.attention import (
    Ablation,
    WordMaps,
    agreements,
    at_size,
    change,
    concentration,
    divided,
    gathered,
    relative,
    watched,
)
from rhinoise.explain.measure.words import Word, labels, words_of
from rhinoise.explain.plots.attention import (
    PER_ROW,
    overlay,
    peak_of,
    shown_steps,
    steps_figure,
    words_figure,
)
from rhinoise.nets.attention import Look
from rhinoise.nets.autoencoder import IdentityAutoencoder, IdentityConfig
from rhinoise.nets.network import NETWORKS
from rhinoise.nets.text import TextConfig, TextEncoder
from rhinoise.nets.transformer import TransformerConfig
from rhinoise.nets.unet import UNetConfig
from rhinoise.nets.uvit import UViTConfig
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest, SamplingConfig
from rhinoise.storage.bundle import Bundle

PROMPT = "a red heart, a zqx star"
COMMON = {"sample_size": 8, "channels": 3, "width": 16, "depth": 2, "heads": 2, "text_width": 16}
CONFIGS = {
    "unet": UNetConfig(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 16),
        attention=(True, True),
        heads=(2, 2),
        transformer_layers=(1, 1),
        cross_attention_dim=16,
        layers_per_block=1,
        norm_num_groups=4,
    ),
    "transformer": TransformerConfig(patch_size=2, text="in_context", pooled_width=16, **COMMON),
    "transformer, cross-attention": TransformerConfig(patch_size=2, text="cross_attention", **COMMON),
    "uvit": UViTConfig(fine_width=8, fine_blocks=1, **COMMON),
}


def build(name: str) -> LatentDiffusion:
    torch.manual_seed(0)
    network = NETWORKS[name.split(",")[0]][1](CONFIGS[name])
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    sampling = SamplingConfig(sampler="dpmpp_2m", spacing="uniform", steps=3, guidance=2.0)
    text = TextConfig(width=16, layers=1, heads=2, context=16, vocabulary=600)
    parts = Bundle(
        autoencoder=IdentityAutoencoder(IdentityConfig()),
        text_encoder=TextEncoder.create(["a red heart", "a blue star"] * 2, text, seed=0),
        network=network,
        predicts="flow",
        schedule=ScheduleConfig(name="flow"),
        facts={"size": 8, "sampling": to_json(sampling)},
    )
    return LatentDiffusion.of(parts, precision="fp32", device=torch.device("cpu"))


def look_at(model: LatentDiffusion, request: GenerateRequest) -> tuple[list[Word], WordMaps, torch.Tensor]:
    words = words_of(request.prompt, model.text_encoder.pieces(request.prompt))
    steps = list(watched(model, request, words))
    found = gathered(words, torch.linspace(1, 0.3, len(steps)), [maps for _, maps in steps])
    return words, found, steps[-1][0].x


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("sampler", ["dpmpp_2m", "heun"])
def test_all_attention_is_accounted_for_and_the_picture_stays(name: str, sampler: str) -> None:
    model = build(name)
    request = GenerateRequest(prompt=PROMPT, seed=3, sampler=sampler)
    words, found, last = look_at(model, request)
    *_, plain = model.steps(request)
    assert torch.equal(last, plain.x)
    whole = found.totals.sum(1) + found.before + found.after + found.picture
    torch.testing.assert_close(whole, torch.ones(3))
    torch.testing.assert_close(found.maps.mean((2, 3)), found.totals)
    assert found.maps.shape[1] == len(words) == 7
    assert set(found.by_size) == ({(4, 4), (8, 8)} if name == "unet" else {(4, 4)})


def test_only_the_pass_with_the_caption_counts() -> None:
    """Guidance doubles the batch; without it there is one pass. At the first step both see the same noise."""
    model = build("uvit")
    first = [
        look_at(model, GenerateRequest(prompt=PROMPT, guidance=scale, steps=1))[1].maps
        for scale in (1.0, 5.0)
    ]
    torch.testing.assert_close(first[0], first[1])


def test_pieces_are_summed_and_blocks_averaged() -> None:
    text = torch.zeros(1, 4, 2, 2)
    text[0, 0], text[0, 1], text[0, 2], text[0, 3] = 0.1, 0.2, 0.3, 0.1
    coarse = torch.zeros(1, 4, 1, 1)
    coarse[0, 1] = 0.9
    looks = [
        Look("fine", text, torch.full((1, 2, 2), 0.3)),
        Look("coarse", coarse, torch.full((1, 1, 1), 0.1)),
    ]
    word = Word(text="ab", begin=0, end=2, pieces=("a", "b"), places=(1, 2), known=True)
    found = divided(looks, [word])
    assert found.totals.tolist() == pytest.approx([(0.5 + 0.9) / 2])
    assert found.maps.flatten().tolist() == pytest.approx([0.7] * 4)
    assert (found.before, found.after, found.picture) == pytest.approx((0.05, 0.05, 0.2))
    assert found.by_size[(1, 1)].item() == pytest.approx(0.9)


def test_without_a_word_there_is_nothing_to_watch() -> None:
    with pytest.raises(ConfigError, match="no word"):
        next(iter(watched(build("uvit"), GenerateRequest(prompt=""), [])))


def test_concentration_and_relative_maps_have_closed_forms() -> None:
    even, single, half = torch.full((8, 8), 0.01), torch.zeros(8, 8), torch.zeros(8, 8)
    single[3, 4], half[:4] = 0.5, 0.2
    found = concentration(torch.stack([even, single, half]))
    assert found.tolist() == pytest.approx([0, 1, 1 / 6], abs=1e-6)  # a half: one bit of six
    assert relative(even).flatten().tolist() == pytest.approx([1] * 64)
    assert relative(single).max().item() == pytest.approx(64)
    assert relative(half)[0, 0].item() == pytest.approx(2)


def test_a_change_agrees_with_its_own_place() -> None:
    left, right = torch.zeros(4, 4), torch.zeros(4, 4)
    left[:, :2], right[:, 2:] = 1, 1
    maps = torch.stack([left, right, torch.ones(4, 4)])
    changes = torch.zeros(1, 16, 16)
    changes[0, :, :8] = 30
    own, other, flat = agreements(maps, changes)[0].tolist()
    assert (own, other) == pytest.approx((1, -1), abs=1e-5)
    assert math.isnan(flat)


def test_a_change_is_in_bytes() -> None:
    black, white = -torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    white[:, :, 2:] = -1
    found = Ablation(caption="", image=white, change=change(black, white))
    assert found.change.unique().tolist() == [0, 255]
    assert found.rms == pytest.approx(255 / 2**0.5)


def test_enlarging_keeps_the_mean() -> None:
    maps = torch.rand(3, 8, 8)
    torch.testing.assert_close(at_size(maps, (64, 64)).mean((1, 2)), maps.mean((1, 2)))


# --- figures of these numbers


@pytest.mark.parametrize(
    "prompt",
    ["heart", "costs $5 or $6 🦏", "a red heart and a blue star and a donaudampfschifffahrtsgesellschaft"],
)
def test_figures_hold_every_word_and_nothing_overlaps(prompt: str) -> None:
    model = build("unet")
    words, found, last = look_at(model, GenerateRequest(prompt=prompt))
    image = model.decode(last)
    chosen = [place for place, word in enumerate(words) if not word.is_sign]
    other = Ablation(caption="", image=image, change=torch.rand(8, 8))
    figure = words_figure(prompt, labels(words), chosen, found, image, [other] * len(chosen), other)
    pictures = [axes for axes in figure.axes if axes.images and axes.get_xlabel() == ""]
    assert len(pictures) == 3 * (1 + len(chosen))
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert len({round(axes.get_position().x0, 6) for axes in pictures}) <= PER_ROW
    for drawn in (figure, steps_figure(prompt, labels(words), chosen, found, [image] * 3)):
        drawn.canvas.draw()  # warnings, of a letter that is missing, are errors
        inside = drawn.bbox
        for text in drawn.texts:
            box = text.get_window_extent()
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= inside.x1, text.get_text()
            assert box.y0 >= 0, text.get_text()


def test_heat_is_that_of_the_scale_on_white_and_darker_on_black() -> None:
    from matplotlib import colormaps

    white, black = torch.ones(1, 3, 16, 16), -torch.ones(1, 3, 16, 16)
    heat = torch.full((4, 4), 1.5)
    expected = [round(255 * value) for value in colormaps["viridis"](0.75)[:3]]
    assert list(overlay(white, heat, 2.0).getpixel((5, 5))) == pytest.approx(expected, abs=1)
    assert list(overlay(black, heat, 2.0).getpixel((5, 5))) == pytest.approx(
        [value / 2 for value in expected], abs=1
    )


def test_the_scale_is_shared_and_never_exaggerates_an_even_map() -> None:
    assert peak_of(torch.full((2, 4, 4), 0.1)) == 2
    single = torch.zeros(1, 4, 4)
    single[0, 0, 0] = 1
    assert 2 < peak_of(single) <= 16


@pytest.mark.parametrize(("number", "shown"), [(1, [0]), (3, [0, 1, 2]), (20, [0, 3, 5, 8, 11, 14, 16, 19])])
def test_steps_are_shown_evenly(number: int, shown: list[int]) -> None:
    assert shown_steps(number) == shown
