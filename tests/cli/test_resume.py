"""A run that was ended by force goes on, and comes to the same mask."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_gmmseg.errors import ResourceError

from .conftest import Outcome, intensities, save, tissues
from .warm_processes import WarmProcesses

Run = Callable[..., Outcome]

needs_fork = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs fork and /proc")
KILLS = 20
STEPS = 200
#: Seconds of work that may be missing.
LONGEST_LOSS = 2.0


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T1-weighted image with much noise, which is worth a network."""
    labels = tissues((16, 16, 12))
    image = np.array([0.0, 40, 100, 160])[labels] + np.random.default_rng(0).normal(0, 25, labels.shape)
    inside = np.where(labels > 0, np.maximum(image, 1), 0).round().astype(np.int16)
    return save(tmp_path_factory.mktemp("images") / "sub-01_T1w.nii.gz", inside)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcesses]:
    with WarmProcesses(tmp_path_factory.mktemp("log") / "output.txt") as warm:
        yield warm


def _command(image: Path, folder: Path, steps: int) -> list[object]:
    method = ["--method", "blindspot", "--steps", steps, "--warm-steps", 5, "--threads", 1, "--device", "cpu"]
    return ["segment", image, "-o", folder / "mask.nii.gz", "--session", folder / "session", "--json", *method]


def _events(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal."""
    try:
        content = (folder / "session" / "journal.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def _until_begun(processes: WarmProcesses, folder: Path) -> None:
    while not any(event["kind"] == "began" for event in _events(folder)):
        assert not processes.ended_within(0.005), processes.output


def _watch(processes: WarmProcesses, folder: Path, until: float) -> float | None:
    """Wait until so much processor time went into it, in s; return what went in since the last state, None if it ended.

    Infinite as long as there is no state.
    """
    states, at_state = 0, float("-inf")
    while not processes.ended_within(0.01):
        worked = processes.worked()
        found = sum("file" in event for event in _events(folder) if event["kind"] == "state")
        if found > states:
            states, at_state = found, worked
        if worked >= until:
            return worked - at_state
    return None


@needs_fork
def test_after_a_kill_at_any_moment_the_mask_has_the_same_bits_and_little_work_is_missing(
    processes: WarmProcesses, noisy: Path, tmp_path: Path
) -> None:
    command = _command(noisy, tmp_path, STEPS)
    processes.start(*command)
    _until_begun(processes, tmp_path)
    began, worked = processes.worked(), 0.0
    while not processes.ended_within(0.01):
        worked = processes.worked()
    assert processes.end() == 0, processes.output
    wanted = processes.data["hash"]
    moments = random.Random(0)
    losses: list[float] = []
    while len(losses) < KILLS:
        shutil.rmtree(tmp_path / "session")
        processes.start(*command)
        _until_begun(processes, tmp_path)
        loss = _watch(processes, tmp_path, moments.uniform(began, worked))
        if loss is None:
            assert processes.end() == 0
            continue
        # Between the look and the kill it may have come to its end.
        if (code := processes.kill()) == 0:
            continue
        assert code == -9
        losses.append(loss)
        assert processes.run("resume", tmp_path / "session", "-o", tmp_path / "mask.nii.gz", "--json") == 0
        assert processes.data["hash"] == wanted
    lost = [loss for loss in losses if np.isfinite(loss)]
    assert len(lost) >= KILLS // 2
    assert max(lost) <= LONGEST_LOSS


@needs_fork
def test_a_run_that_is_killed_again_and_again_comes_to_the_same_mask(
    processes: WarmProcesses, noisy: Path, tmp_path: Path
) -> None:
    command = _command(noisy, tmp_path, STEPS)
    assert processes.run(*command) == 0, processes.output
    wanted = processes.data["hash"]
    shutil.rmtree(tmp_path / "session")
    for n_states in range(1, 4):
        processes.start(*command)
        while sum("file" in e for e in _events(tmp_path) if e["kind"] == "state") < n_states:
            assert not processes.ended_within(0.005), processes.output
        assert processes.kill() == -9
        command = ["resume", tmp_path / "session", "-o", tmp_path / "mask.nii.gz", "--json"]
    assert processes.run(*command) == 0, processes.output
    assert processes.data["hash"] == wanted
    assert processes.data["resumed_after"] > 0
    assert processes.run("replay", tmp_path / "session", "--verify", "--json") == 0, processes.output
    assert processes.data["equal"] is True


@needs_fork
def test_a_disk_that_is_full_for_states_costs_the_record_and_not_the_mask(
    processes: WarmProcesses, noisy: Path, tmp_path: Path
) -> None:
    assert processes.run(*_command(noisy, tmp_path, STEPS), largest_file=250_000) == 0, processes.output
    (told,) = (finding for finding in processes.data["findings"] if finding["code"] == "not-recorded")
    assert "File too large" in told["message"]
    assert processes.output.count("Warning: The session is no longer recorded") == 1
    assert (tmp_path / "mask.nii.gz").exists()
    assert not list((tmp_path / "session").glob("state-*"))


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_keeps_the_session_and_says_so(noisy: Path, tmp_path: Path) -> None:
    words = [str(word) for word in _command(noisy, tmp_path, 10_000)]
    command = [sys.executable, "-m", "napari_gmmseg.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while (line := process.stderr.readline()) and not line.startswith("Blind-spot prior: step"):
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert line, err
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == f"Interrupted. Kept: {tmp_path / 'session' / 'journal.jsonl'}."
    assert [event["kind"] for event in _events(tmp_path) if event["kind"] != "state"] == ["opened", "began", "planned"]


def test_a_recorded_run_gives_the_mask_of_an_unrecorded_one(run: Run, t1: Path, tmp_path: Path) -> None:
    assert run("segment", t1, "-o", tmp_path / "a.nii.gz").code == 0
    outcome = run("segment", t1, "-o", tmp_path / "b.nii.gz", "--session", tmp_path / "session", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.data["session"] == str(tmp_path / "session")
    assert len(outcome.data["hash"]) == 64
    assert outcome.data["provenance"]["preparation"]["mask"] == "auto"
    same = [nibabel.load(tmp_path / f"{name}.nii.gz").get_fdata() for name in "ab"]
    np.testing.assert_array_equal(*same)


def test_a_finished_session_writes_its_mask_again(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "a.nii.gz", "--session", tmp_path / "session", "--json")
    again = run("resume", tmp_path / "session", "-o", tmp_path / "b.nii.gz", "--json")
    assert again.code == 0, again.err
    assert again.data["hash"] == outcome.data["hash"]
    assert again.data["resumed_after"] is None
    assert again.data["files"] == {"mask": str(tmp_path / "b.nii.gz")}


def test_a_finished_session_has_its_fractions_and_soft_volumes_again(run: Run, t1: Path, tmp_path: Path) -> None:
    out, session = ("-o", tmp_path / "m.nii.gz", "--json"), tmp_path / "s"
    first, again = (tmp_path / f"{name}.nii.gz" for name in ("first", "again"))
    begun = run("segment", t1, "--method", "spatial", *out, "--session", session, "--fractions-out", first)
    assert begun.code == 0, begun.err
    resumed = run("resume", session, *out, "--fractions-out", again)
    assert resumed.code == 0, resumed.err
    assert resumed.data["resumed_after"] is None
    assert resumed.data["fraction_basis"] == "mixed voxels"
    assert resumed.data["classes"] == begun.data["classes"]
    assert again.read_bytes() == first.read_bytes()


def test_a_mask_that_could_not_be_written_is_written_elsewhere_by_resume(
    run: Run, t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise ResourceError("The disk is full.", "Make room.")

    with monkeypatch.context() as patched:
        patched.setattr("napari_gmmseg.io.write_labels", full)
        outcome = run("segment", t1, "-o", tmp_path / "a.nii.gz", "--session", tmp_path / "session")
    assert outcome.code == 3
    assert run("resume", tmp_path / "session", "-o", tmp_path / "b.nii.gz").code == 0
    assert (tmp_path / "b.nii.gz").exists()


def test_a_run_that_a_mistake_ended_leaves_no_session(run: Run, t1: Path, tmp_path: Path) -> None:
    box = ("--box", 0, 0, 0, 1, 1, 1)
    outcome = run("segment", t1, "-o", tmp_path / "a.nii.gz", "--session", tmp_path / "session", *box)
    assert outcome.code == 2
    assert not (tmp_path / "session").exists()


def test_a_folder_with_another_session_is_refused_before_anything_is_read(run: Run, t1: Path, tmp_path: Path) -> None:
    assert run("segment", t1, "-o", tmp_path / "a.nii.gz", "--session", tmp_path / "session").code == 0
    before = (tmp_path / "session" / "journal.jsonl").read_bytes()
    outcome = run("segment", t1, "-o", tmp_path / "b.nii.gz", "--session", tmp_path / "session")
    assert outcome.code == 2
    assert "holds another session" in outcome.err
    assert f"napari-gmmseg resume {tmp_path / 'session'}" in outcome.err
    assert (tmp_path / "session" / "journal.jsonl").read_bytes() == before
    assert not (tmp_path / "b.nii.gz").exists()


def test_an_image_that_has_changed_is_refused(run: Run, t1: Path, tmp_path: Path) -> None:
    assert run("segment", t1, "-o", tmp_path / "a.nii.gz", "--session", tmp_path / "session").code == 0
    save(t1, intensities(tissues(), seed=1))
    outcome = run("resume", tmp_path / "session", "-o", tmp_path / "b.nii.gz")
    assert outcome.code == 2
    assert "another than it was" in outcome.err
    assert str(t1) in outcome.err


@pytest.mark.parametrize("words", [["-o", "m.nii.gz"], []])
def test_what_is_no_session_or_has_no_target_is_refused(run: Run, tmp_path: Path, words: list[str]) -> None:
    outcome = run("resume", tmp_path, *words)
    assert outcome.code == 2
    assert "Hint: " in outcome.err
    assert not list(tmp_path.iterdir())


def test_the_image_is_not_overwritten_by_resume(run: Run, t1: Path, tmp_path: Path) -> None:
    assert run("segment", t1, "-o", tmp_path / "a.nii.gz", "--session", tmp_path / "session").code == 0
    outcome = run("resume", tmp_path / "session", "-o", t1)
    assert outcome.code == 2
    assert "is one of the inputs" in outcome.err


def test_a_session_of_several_channels_and_masks_is_read_as_it_was(
    run: Run, t1: Path, flair: Path, tmp_path: Path
) -> None:
    mask = save(tmp_path / "inside.nii.gz", (tissues() > 0).astype(np.uint8))
    words = ("--t1", t1, "--flair", flair, "--mask", mask, "--no-refine", "--json")
    outcome = run("segment", "-o", tmp_path / "a.nii.gz", "--session", tmp_path / "session", *words)
    again = run("resume", tmp_path / "session", "-o", tmp_path / "b.nii.gz", "--json")
    assert again.code == 0, again.err
    assert again.data["hash"] == outcome.data["hash"]
    assert again.data["inputs"] == [str(path) for path in (t1, flair, mask)]
    assert again.data["provenance"]["preparation"] == outcome.data["provenance"]["preparation"]
