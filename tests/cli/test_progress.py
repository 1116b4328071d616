from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from napari_gmmseg.cli.answers import to_json
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.volumes import FitReport


def test_a_log_gets_the_first_and_the_last_step_of_many(capsys: pytest.CaptureFixture[str]) -> None:
    with FitProgress() as progress:
        for step in range(1, 50):
            progress(FitReport("Mixture", step, 200, -1.25, seconds=0.1 * step))
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "Mixture: step 1 of at most 200, -1.2500 nat/voxel, 0.1 s",
        "Mixture: step 49 of at most 200, -1.2500 nat/voxel, 4.9 s",
    ]


def test_a_log_gets_each_phase(capsys: pytest.CaptureFixture[str]) -> None:
    with FitProgress() as progress:
        for phase in ("Start", "Mixture", "Neighbours"):
            progress(FitReport(phase, 1, 3))
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["Start", "Mixture", "Neighbours"]


def test_a_log_gets_the_last_step_of_a_phase_that_others_follow(capsys: pytest.CaptureFixture[str]) -> None:
    with FitProgress() as progress:
        for step in range(1, 8):
            progress(FitReport("Warm-up", step, 20))
        progress(FitReport("Training", 8, 20))
    assert capsys.readouterr().err.splitlines() == [
        "Warm-up: step 1 of at most 20, 0.0 s",
        "Warm-up: step 7 of at most 20, 0.0 s",
        "Training: step 8 of at most 20, 0.0 s",
    ]


def test_a_log_gets_the_terms_of_the_loss(capsys: pytest.CaptureFixture[str]) -> None:
    with FitProgress() as progress:
        progress(FitReport("deepSVG", 9, 100, -1.5, {"loss": 1.62345, "total variation": 0.125}, 3.25))
    line = "deepSVG: step 9 of at most 100, -1.5000 nat/voxel, loss 1.623, total variation 0.125, 3.2 s"
    assert capsys.readouterr().err.splitlines() == [line]


def test_a_log_counts_no_steps_where_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    with FitProgress() as progress:
        progress(FitReport("Reading", 0, 0))
    assert capsys.readouterr().err.splitlines() == ["Reading: 0.0 s"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have standard error taken for a terminal of so many columns."""

    def make(columns: int) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))

    return make


def drawn(told: str) -> list[str]:
    """The lines that were drawn, without what colours and moves them."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told)
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


def test_a_terminal_gets_a_bar_with_the_likelihood_and_the_time_left(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal(120)
    now = [0.0]
    monkeypatch.setattr("napari_gmmseg.cli.progress.time.monotonic", lambda: now[0])
    with FitProgress() as progress:
        for step in (1, 2, 3):
            now[0] += 2.0
            progress(FitReport("deepSVG", step, 63, -7.25))
    told = capsys.readouterr()
    assert told.out == ""
    assert "━" in told.err
    assert drawn(told.err)[-1].endswith("step 3/63 -7.2500 nat/voxel ≤ 2:00 left")


def test_eighty_columns_hold_all_words_of_every_phase(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal(80)
    now = [0.0]
    monkeypatch.setattr("napari_gmmseg.cli.progress.time.monotonic", lambda: now[0])
    with FitProgress() as progress:
        for step in range(1, 126):
            now[0] += 0.5
            phase = "Network learns the spatial mixture" if step < 26 else "Blind-spot prior"
            progress(FitReport(phase, step, 125, -12.3456 if step > 25 else None))
    warm, trained = drawn(capsys.readouterr().err)[-2:]
    assert warm == "Network learns the spatial mixture step 25/125"
    assert trained == "Blind-spot prior                   step 125/125 -12.3456 nat/voxel ≤ 0:00 left"


def test_json_has_no_numbers_that_are_none() -> None:
    import json

    import numpy as np

    told = to_json({"a": float("nan"), "b": np.float32(2), "c": (np.arange(2), {3: np.inf})})
    assert json.loads(told) == {"a": None, "b": 2.0, "c": [[0, 1], {"3": None}]}
