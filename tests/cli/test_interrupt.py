from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import Outcome, intensities, save, tissues

Run = Callable[..., Outcome]


def test_an_interrupted_fit_is_closed_and_leaves_nothing(
    run: Run, t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gmmseg.volumes import FitReport

    closed = []

    def interrupted(*_: Any, **__: Any) -> Generator[FitReport, None, None]:
        try:
            yield FitReport("Mixture", 1, 9)
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    monkeypatch.setattr("napari_gmmseg.fitting.fit", interrupted)
    outcome = run("segment", t1, "-o", tmp_path / "mask.nii.gz")
    assert outcome.code == 130
    assert closed == [True]
    assert outcome.err.splitlines()[-1] == "Interrupted. Nothing was written."
    assert not (tmp_path / "mask.nii.gz").exists()


def test_progress_that_raises_closes_the_fit(t1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_gmmseg import segment
    from napari_gmmseg.volumes import FitReport

    closed = []

    def endless(*_: Any, **__: Any) -> Generator[FitReport, None, None]:
        try:
            while True:
                yield FitReport("Mixture", 1, 9)
        finally:
            closed.append(True)

    def stop(_: FitReport) -> None:
        raise RuntimeError("enough")

    monkeypatch.setattr("napari_gmmseg.fitting.fit", endless)
    with pytest.raises(RuntimeError, match="enough"):
        segment(t1, progress=stop)
    assert closed == [True]


def test_what_was_finished_before_an_interrupt_is_told(
    run: Run, t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_gmmseg.io.write_map", interrupted)
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--probabilities", tmp_path / "p.nii.gz")
    assert outcome.code == 130
    for name in ("m.nii.gz", "m_dseg.tsv", "m_labels.txt"):
        assert str(tmp_path / name) in outcome.err.split("Kept:")[1]
    assert (tmp_path / "m.nii.gz").exists()
    assert not list(tmp_path.glob("*p.nii*"))


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_the_process_with_130_and_no_file(tmp_path: Path) -> None:
    shape = (160, 160, 120)
    image = save(tmp_path / "t1.nii", np.tile(intensities(tissues((80, 80, 60))), (2, 2, 2))[: shape[0]])
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "napari_gmmseg.cli", "segment", str(image)]
    command += ["-o", str(tmp_path / "out" / "mask.nii.gz"), "--method", "gmm", "--tolerance", "1e-12", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "step" in first, first + err
    if process.returncode == 0:
        pytest.skip("the fit was done before the signal came")
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_the_training_of_a_network_with_130_and_no_file(t1: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "napari_gmmseg.cli", "segment", str(t1), "--method", "blindspot"]
    command += ["-o", str(tmp_path / "out" / "mask.nii.gz"), "--prior", str(tmp_path / "out" / "prior.nii.gz")]
    # More steps than anybody waits for: it ends by the signal or not at all.
    command += ["--steps", "10000", "--warm-steps", "2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        before = [line := process.stderr.readline()]
        while line and not line.startswith("Blind-spot prior: step 3"):
            before.append(line := process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert line, before
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "Interrupted. Nothing was written."
    assert "Traceback" not in err
    assert not list((tmp_path / "out").iterdir())


def test_json_of_a_process_is_one_object_and_nothing_else(t1: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "napari_gmmseg.cli", "segment", str(t1), "-o", str(tmp_path / "mask.nii.gz")]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"]["mask"] == str(tmp_path / "mask.nii.gz")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["segmnt"], 2)])
def test_ctrl_c_after_the_answer_does_not_change_it(words: list[str], code: int) -> None:
    program = (
        "import atexit, os, signal, sys; from napari_gmmseg import cli;"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT));"
        f"sys.argv[1:] = {words!r}; cli.console()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "KeyboardInterrupt" not in done.stderr


def test_the_answer_is_settled_once_everything_is_written(t1: Path, tmp_path: Path) -> None:
    from napari_gmmseg.cli.running import run

    there: list[bool] = []
    arguments = ["segment", str(t1), "-o", str(tmp_path / "m.nii.gz"), "--method", "gmm"]
    assert run(arguments, lambda: there.append((tmp_path / "m_labels.txt").exists())) == 0
    assert there == [True]


def test_what_was_written_before_a_full_disk_is_told(
    run: Run, t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gmmseg.errors import ResourceError

    def full(*_: Any, **__: Any) -> None:
        raise ResourceError("The disk is full: p.nii.gz was not written.", "Make room.")

    monkeypatch.setattr("napari_gmmseg.io.write_map", full)
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--probabilities", tmp_path / "p.nii.gz")
    assert outcome.code == 3
    error = next(line for line in outcome.err.splitlines() if line.startswith("Error: The disk is full"))
    for path in tmp_path.glob("m*"):
        assert str(path) in error
