"""What a terminal, and what a file, gets to see of a workflow's events."""

import io
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from rhinoise.cli import render
from rhinoise.cli.render import interruptible, show
from rhinoise.workflows.events import Event, Progress, Said, Wrote


def events(closed: list[str]) -> Iterator[Event]:
    try:
        yield Said("reading [pictures]")
        yield Progress(stage="denoiser", done=1, total=4, numbers={"loss": 0.5, "images/s": 310.2})
        yield Wrote(Path("out.png"))
        yield Progress(stage="denoiser", done=2, total=4, numbers={"loss": 0.25, "images/s": 9.5})
        return 42
    finally:
        closed.append("closed")


def test_sentences_go_to_stderr_and_files_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    closed: list[str] = []
    assert show(events(closed)) == 42
    told = capsys.readouterr()
    assert told.out == "out.png\n"
    assert told.err == "reading [pictures]\n"
    assert closed == ["closed"]


def test_without_a_terminal_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "QUIET_SECONDS", 0.0)
    show(events([]))
    assert "denoiser: 1 of 4 steps  loss 0.5000  310 images/s\n" in capsys.readouterr().err


def test_a_terminal_gets_a_bar_with_numbers_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=80, markup=False, highlight=False)
    monkeypatch.setattr(render, "Console", lambda **settings: terminal)
    show(events([]))
    shown = screen.getvalue()
    assert "reading [pictures]" in shown
    for part in ("denoiser", "2/4 steps", "loss 0.2500", "9.5 images/s", "left"):
        assert part in shown


def test_the_first_ctrl_c_closes_the_events_and_the_second_acts_at_once() -> None:
    closed: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as interrupt:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012  (the first does not raise here)
            signal.raise_signal(signal.SIGINT)
            assert interrupt.asked
            show(events(closed), interrupt)
        assert closed == ["closed"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
