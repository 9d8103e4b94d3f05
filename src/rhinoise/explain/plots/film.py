"""A film of a generation: frames to play, a contact sheet to read, and its distances as curves.

Frames and sheet are drawn without matplotlib: sixty small pictures would take it longer than the model takes
to draw them.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw
from torch import Tensor

from rhinoise.core.images import enlarged, font_of, grid, to_pil
from rhinoise.explain.measure.film import SETTLED_WITHIN, Film, FilmStep
from rhinoise.explain.plots.pictures import decibels
from rhinoise.explain.plots.style import BLUE, EDGE, GREY, ORANGE, TEXT, dress, new_figure

SIDE = 128
"""Pixels a side that pictures are enlarged to where they are smaller."""
STEP_MILLISECONDS, LAST_MILLISECONDS = 250, 2000
WIDE = 1480
"""Pixels that a sheet is wide, at most."""
LINE, LETTERS, GAP = 21, 16, 8
"""Pixels of a line of text, of its letters, and between columns."""
COLOURS_SETTLED = "colours settled"
"""The longest line under a column."""
DEFINITION = (
    "layout settled: from this step on, the brightness of 8 x 8 cells stays within "
    f"{SETTLED_WITHIN['layout']:g} of 255 (root mean square) of the last picture's",
    f"colours settled: the same of red and blue less brightness, within {SETTLED_WITHIN['colours']:g} of 255",
)


Column = tuple[Image.Image, Image.Image, Image.Image]
"""A step's pictures from above: noisy, expected, and what the caption changes."""


def film_columns(film: Film) -> list[Column]:
    """Every step's pictures, at least SIDE pixels wide."""
    rows = (to_pil(film.noisy), to_pil(film.expected), _in_blue(film.guidance))
    noisy, expected, guidance = ([enlarged(image, SIDE) for image in row] for row in rows)
    return list(zip(noisy, expected, guidance, strict=True))


def film_frames(film: Film, columns: Sequence[Column]) -> tuple[list[Image.Image], list[int]]:
    """The frames, each of a column of `film_columns`, and how many milliseconds each stands."""
    last = enlarged(to_pil(film.last)[0], SIDE)
    blank = Image.new("RGB", last.size, "white")
    width = grid(columns[0], len(columns[0])).width
    head, frames = _head(("seen", "expected", "by the caption"), width), []
    for column, step in zip(columns, film.steps, strict=True):
        snr = "pure noise" if step.snr_db is None else f"SNR {decibels(step.snr_db)} dB"
        below = f"step {step.step} of {film.total}, {snr}, {step.distance:.0f} of 255 from the end"
        frames.append(_frame(column, head, below))
    frames.append(_frame((blank, last, blank), _head(("", "the end", ""), width), ""))
    return frames, [STEP_MILLISECONDS] * len(film.steps) + [LAST_MILLISECONDS]


def _head(words: Sequence[str], width: int) -> Image.Image:
    """A line with a word above each picture."""
    head = Image.new("RGB", (width, LINE), "white")
    for place, word in enumerate(words):
        at = ((2 * place + 1) * width / (2 * len(words)), 1)
        ImageDraw.Draw(head).text(at, word, fill=GREY, font=font_of(LETTERS - 1), anchor="ma")
    return head


def _frame(pictures: Sequence[Image.Image], head: Image.Image, below: str) -> Image.Image:
    """Pictures beside each other, a line above and one below."""
    row = grid(pictures, len(pictures))
    frame = Image.new("RGB", (row.width, row.height + 2 * LINE), "white")
    frame.paste(head)
    frame.paste(row, (0, LINE))
    at = (row.width / 2, row.height + LINE)
    ImageDraw.Draw(frame).text(at, below, fill="black", font=font_of(LETTERS - 1), anchor="ma")
    return frame


def film_sheet(film: Film, columns: Sequence[Column], title: str) -> Image.Image:
    """Every step as one of `film_columns`; under it what it says, above all what to look for."""
    cells = [grid(column, 1) for column in columns]
    head = [
        title,
        "from above: what the denoiser saw; what it expected; where the caption changed that (blue)",
        *DEFINITION,
    ]
    width, height = max(cells[0].width, _wide(COLOURS_SETTLED)) + GAP, cells[0].height + 3 * LINE + GAP
    rows = math.ceil(len(cells) / max(1, WIDE // width))
    across = math.ceil(len(cells) / rows)
    below = len(head) * LINE + 3 * GAP
    sheet = Image.new(
        "RGB",
        (max(across * width, *map(_wide, head)) + 2 * GAP, below + rows * height),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for place, line in enumerate(head):
        draw.text((GAP, GAP + place * LINE), line, fill=GREY if place else "black", font=font_of(LETTERS))
    for place, (cell, step) in enumerate(zip(cells, film.steps, strict=True)):
        left, top = GAP + place % across * width, below + place // across * height
        sheet.paste(cell, (left + (width - cell.width) // 2, top))
        for number, line in enumerate(_under(film, step)):
            at = (left + width / 2, top + cell.height + number * LINE)
            draw.text(at, line, fill="black", font=font_of(LETTERS), anchor="ma")
    return sheet


def _wide(line: str) -> int:
    """Pixels that a line of a sheet takes."""
    return math.ceil(font_of(LETTERS).getlength(line))


def _under(film: Film, step: FilmStep) -> list[str]:
    """At most three lines."""
    snr = "noise" if step.snr_db is None else f"{decibels(step.snr_db)} dB"
    settled = [f"{name} settled" for name, at in film.settled.items() if at == step.step]
    return [f"{step.step}: {snr}", *settled]


def film_figure(films: Sequence[Film]) -> Figure:
    """How far each step's expected picture is from the last one, of each film and in the mean."""
    figure = new_figure(7.2, 6.4)
    above, below = figure.subplots(2, 1, sharex=True)
    steps = [step.step for step in films[0].steps]
    aspects = {
        "whole picture": ([[step.distance for step in film.steps] for film in films], "black", "solid"),
        "layout": ([[step.aspects["layout"] for step in film.steps] for film in films], BLUE, "dashed"),
        "colours": ([[step.aspects["colours"] for step in film.steps] for film in films], ORANGE, "dashdot"),
    }
    for name, (rows, colour, dash) in aspects.items():
        if len(films) > 1:
            above.plot(steps, torch.tensor(rows).T, color=colour, linewidth=0.5, alpha=0.35)
        mean = torch.tensor(rows).mean(0)
        label = name
        if name in SETTLED_WITHIN:
            at = sorted(film.settled[name] for film in films)[(len(films) - 1) // 2]
            above.plot([at], [mean[steps.index(at)]], "o", color=colour, markersize=8)
            label = f"{name}: settled at step {at}"
        above.plot(steps, mean, color=colour, linestyle=dash, linewidth=2.2, label=label)
    which = "this picture" if len(films) == 1 else f"{len(films)} pictures, thick the mean"
    dress(above, f"How far from the end: {which}", "", "distance (RMS, of 255)")
    above.set_ylim(bottom=0)
    above.legend(frameon=False, fontsize=TEXT)
    rows = [[step.guidance or 0.0 for step in film.steps] for film in films]
    if len(films) > 1:
        below.plot(steps, torch.tensor(rows).T, color=EDGE, linewidth=0.7)
    below.plot(steps, torch.tensor(rows).mean(0), color="black", linewidth=2.2)
    dress(below, "What the caption changes", "step", "change of x0 (RMS,\nlatent variance 1)")
    below.set_ylim(bottom=0)
    below.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    figure.align_ylabels()
    figure.supxlabel("\n".join(_wrapped(DEFINITION)), fontsize=TEXT - 1, color=GREY, x=0.02, ha="left")
    return figure


def _wrapped(lines: Sequence[str]) -> list[str]:
    """Each line broken once near its middle, at a blank."""
    found = []
    for line in lines:
        middle = line.find(" ", len(line) // 2)
        found += [line] if len(line) < 90 else [line[:middle], "    " + line[middle + 1 :]]
    return found


def _in_blue(guidance: Float[Tensor, "n h w"]) -> list[Image.Image]:
    """Where there is much: blue, the most of the whole film deepest; where nothing: white.

    By the square root: late in a film a caption changes a fiftieth of what it does at the start.
    """
    share = (guidance / guidance.max().clamp(min=1e-9)).sqrt()[:, None]
    blue = torch.tensor([int(BLUE[place : place + 2], 16) / 255 for place in (1, 3, 5)])[:, None, None]
    return to_pil(2 * (1 - share * (1 - blue)) - 1)
