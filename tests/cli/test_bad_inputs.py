"""Whatever is handed over: exit code 2 or 3, one message with a hint, no traceback, no partial file."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import pytest

from .bad_inputs import CASES, good, segment
from .conftest import Outcome

Run = Callable[..., Outcome]


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_refusal(outcome: Outcome) -> None:
    assert outcome.code in (2, 3), outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.splitlines() if line.startswith(("Error: ", "Hint: "))]
    assert [line.split(":")[0] for line in lines] == ["Error", "Hint"], outcome.err
    assert all(len(line) > 20 for line in lines)


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_done_is_told_with_a_hint_and_leaves_nothing(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    arguments = CASES[name](tmp_path)
    before = listing(tmp_path / "out")
    check_refusal(run(*arguments))
    assert listing(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["missing_file", "all_nan", "one_class"])
def test_with_json_errors_leave_standard_output_empty(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    check_refusal(run(*CASES[name](tmp_path), "--json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment", "a.nii", "-o", "b.nii", "--method", "magic"],
        ["segment", "a.nii", "-o", "b.nii", "--classes", "three"],
        ["segment", "a.nii", "-o", "b.nii", "--preset", "knee"],
        ["segment", "a.nii", "-o", "b.nii", "--axis4", "colour"],
        ["segment", "a.nii", "-o", "b.nii", "--box", "1", "2", "3"],
        ["segment", "a.nii", "-o", "b.nii", "--colour"],
        ["evaluate", "a.nii"],
        ["paint"],
    ],
)
def test_flags_that_make_no_sense_are_told_with_a_hint(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    check_refusal(outcome)
    assert outcome.code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o555)
    check_refusal(run(*segment(tmp_path, good(tmp_path))))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_with_3_and_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "out").mkdir()
    image = good(tmp_path)
    monkeypatch.setattr(nibabel.Nifti1Image, "to_filename", full)
    monkeypatch.setattr(nibabel.Nifti1Image, "to_file_map", full)
    outcome = run(*segment(tmp_path, image, "--method", "gmm"))
    check_refusal(outcome)
    assert outcome.code == 3
    assert not list((tmp_path / "out").iterdir())


def test_a_file_that_may_not_grow_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "mask.nii"
    arguments = ["segment", good(tmp_path), "-o", output, "--method", "gmm"]

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    done = subprocess.run(
        [sys.executable, "-B", "-m", "napari_gmmseg.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=small_files,
        check=False,
    )
    check_refusal(Outcome(done.returncode, done.stdout, done.stderr))
    assert done.returncode == 3
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_too_little_memory_ends_with_3(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def too_much(*_: object, **__: object) -> None:
        raise error

    (tmp_path / "out").mkdir()
    image = good(tmp_path)
    monkeypatch.setattr("napari_gmmseg.api.segment", too_much)
    outcome = run(*segment(tmp_path, image))
    check_refusal(outcome)
    assert outcome.code == 3
