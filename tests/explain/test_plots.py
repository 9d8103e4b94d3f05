import math

import numpy as np
import pytest
import torch
from PIL import Image

from rhinoise.core.random import noise_source
from rhinoise.data.doctor import Counts
from rhinoise.diffusion.forward import Frame, forward_strip
from rhinoise.diffusion.schedules import cosine
from rhinoise.explain.plots.counts import counts_figure
from rhinoise.explain.plots.losses import loss_figure, smoothed
from rhinoise.explain.plots.pictures import before_after_figure, strip_figure
from rhinoise.explain.plots.style import save_figure
from rhinoise.storage.provenance import is_own


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_a_strip_says_what_its_frames_say(tmp_path) -> None:
    x0 = torch.rand(1, 3, 16, 24) * 2 - 1
    frames = forward_strip(x0, cosine(), 5, noise_source(0, [0], (3, 16, 24)))
    figure = strip_figure(frames, schedule="cosine")
    shown = texts(figure)
    for frame in frames:
        assert f"{frame.t:.2f}" in shown
        assert f"{frame.correlation.item():.2f}".replace("-", "−") in shown
    assert "∞" in shown
    assert f"{frames[2].snr_db:.1f}".replace("-", "−") in shown
    # Pictures keep their shape: each is half as wide again as it is high.
    for axes in figure.axes:
        box = axes.get_position()
        width, height = figure.get_size_inches()
        assert box.width * width / (box.height * height) == pytest.approx(1.5)


@pytest.mark.parametrize("number", [2, 11, 12, 30])
def test_a_long_strip_is_wrapped_and_nothing_overlaps(number: int) -> None:
    x = torch.zeros(1, 3, 8, 8)
    frames = [Frame(t=i / number, x=x, snr_db=-math.inf, correlation=torch.zeros(1)) for i in range(number)]
    figure = strip_figure(frames, schedule="linear")
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == number
    assert len({round(box.x0, 6) for box in boxes}) <= 11
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert "−∞" in texts(figure)


def test_a_noise_of_large_variance_is_shown_at_unit_variance() -> None:
    x = 80 * torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    frame = Frame(t=1.0, x=x, snr_db=-38.0, correlation=torch.zeros(1))
    (axes,) = strip_figure([frame], schedule="edm").axes
    assert 0.3 < np.asarray(axes.images[0].get_array()).std() < 0.4  # black and white alone would have 0.5


def test_before_and_after_are_shown_with_their_psnr() -> None:
    before = torch.full((2, 3, 8, 8), -1.0)
    after = before.clone()
    after[1] += 0.2  # a tenth of the range: 20 dB
    shown = texts(before_after_figure(before, after))
    assert {"original", "decoded", "PSNR in dB", "∞", "20.0"} <= set(shown)


def test_losses_are_drawn_stage_by_stage_with_what_is_held_out(tmp_path) -> None:
    entries = [{"stage": "autoencoder", "step": i, "losses": {"loss": 1 / i}} for i in range(1, 5)]
    entries += [{"stage": "denoiser", "step": i, "losses": {"loss": 1.0}} for i in range(1, 9)]
    entries += [{"stage": "held out", "step": 4 * i, "loss": 2.0} for i in (1, 2)]
    figure = loss_figure(entries)
    autoencoder, denoiser = figure.axes
    assert (autoencoder.get_title("left"), denoiser.get_title("left")) == ("autoencoder", "denoiser")
    assert len(autoencoder.lines) == 2
    _, _, held_out = denoiser.lines
    assert held_out.get_xydata().tolist() == [[4, 2], [8, 2]]
    assert all(axes.get_xlabel() == "step" and axes.get_ylabel() for axes in figure.axes)
    save_figure(figure, tmp_path / "new" / "loss.png")
    assert Image.open(tmp_path / "new" / "loss.png").convert("RGB").width > 1000


def test_a_log_without_a_step_is_an_empty_figure(tmp_path) -> None:
    save_figure(loss_figure([]), tmp_path / "loss.png")
    assert is_own(tmp_path / "loss.png")


def test_smoothing_keeps_a_constant_and_the_first_value() -> None:
    assert smoothed(np.full(50, 3.0), 0.1) == pytest.approx(np.full(50, 3.0))
    falling = np.linspace(1, 0, 100)
    assert smoothed(falling, 0.1)[0] == 1
    assert (np.diff(smoothed(falling, 0.1)) < 0).all()
    assert smoothed(falling, 0.0).tolist() == falling.tolist()


@pytest.mark.parametrize("bars", [1, 3, 9])
def test_a_histogram_has_a_bar_with_its_number_for_every_label(bars: int) -> None:
    counts = Counts(labels=tuple(f"{2**i}–{2 ** (i + 1) - 1}" for i in range(bars)), counts=(1000,) * bars)
    axes = counts_figure(counts, "title", "pixels", "pictures").axes[0]
    assert [bar.get_height() for bar in axes.patches] == [1000] * bars
    assert [text.get_text() for text in axes.texts] == ["1,000"] * bars
    assert [label.get_text() for label in axes.get_xticklabels()] == list(counts.labels)
