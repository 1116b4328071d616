from __future__ import annotations

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


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with FitProgress() as progress:
        progress(FitReport("Mixture", 3, 20))
    told = capsys.readouterr()
    assert told.out == ""
    assert "of at most 20" in told.err


def test_json_has_no_numbers_that_are_none() -> None:
    import json

    import numpy as np

    told = to_json({"a": float("nan"), "b": np.float32(2), "c": (np.arange(2), {3: np.inf})})
    assert json.loads(told) == {"a": None, "b": 2.0, "c": [[0, 1], {"3": None}]}
