"""Where nothing can be written one warning comes, and work goes on."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.session.journal_making import made_up_state, run_recorded, small_request

from napari_gmmseg.session.journal import JOURNAL, Journal, read_history, recorded
from napari_gmmseg.volumes import Finding

NOBODY = 65534


@contextmanager
def _without_rights(folder: Path) -> Iterator[None]:
    """Forbid writing into a folder: to the administrator, whom nothing is forbidden, by being somebody else."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    user = os.geteuid()
    folder.chmod(0o555)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        folder.chmod(mode)


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """A folder that others may look into, with its parents."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and os.geteuid() == 0 and folder != Path("/"):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o055)
    return tmp_path


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_in_a_folder_without_rights_one_warning_comes_and_the_fit_ends_well(open_path: Path) -> None:
    warnings: list[Finding] = []
    with _without_rights(open_path):
        journal = Journal.create(open_path / "session", warnings.append)
    request = small_request(method="gmm")
    journal.record({"kind": "opened", "request": request})
    for _ in recorded(request, journal):
        pass
    journal.flush()
    journal.close(finished=True)
    assert [warning.code for warning in warnings] == ["not-recorded"]
    assert "Permission denied" in warnings[0].message
    assert not list(open_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_a_session_in_a_folder_without_rights_is_read_and_gone_on_with_unrecorded(open_path: Path) -> None:
    folder = open_path / "session"
    run_recorded(small_request(method="gmm"), folder, ends_after=2)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() != 0:
        journal, history = Journal.reopen(folder)
    else:
        with _without_rights(folder):
            journal, history = Journal.reopen(folder)
    assert not journal.recording
    assert journal.warning is not None
    assert [event["kind"] for event in history.events] == ["opened", "began", "planned"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_ends_recording_once_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    warnings: list[Finding] = []
    journal = Journal.create(tmp_path / "session", warnings.append)
    journal.record({"kind": "opened", "request": small_request()})
    journal.record({"kind": "began", "generation": 7, "config": small_request().config})
    journal.flush()

    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    for step in range(3):
        journal.record({"kind": "state", "generation": 7, "after": step, "state": made_up_state(step)})
        journal.flush()
    monkeypatch.undo()
    journal.record({"kind": "shown"})
    journal.close(finished=True)
    assert [warning.code for warning in warnings] == ["not-recorded"]
    assert os.strerror(code) in warnings[0].message
    assert not journal.recording
    history = read_history(tmp_path / "session")
    assert [event["kind"] for event in history.events] == ["opened", "began"]
    assert not list((tmp_path / "session").glob(".unfinished-*"))


def test_a_fault_of_the_program_ends_recording_and_not_the_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal.create(tmp_path / "session")
    journal.record({"kind": "told", "generation": 99, "after": 1, "command": None})
    journal.flush()
    journal.record({"kind": "shown"})
    journal.close(finished=True)
    assert journal.warning is not None
    assert "recording failed" in caplog.text
    assert (tmp_path / "session" / JOURNAL).read_bytes() == b""


def test_what_a_killed_program_left_half_written_is_removed(tmp_path: Path) -> None:
    Journal.create(tmp_path / "session").close(finished=False)
    (tmp_path / "session" / ".unfinished-abc").write_bytes(b"half")
    Journal.reopen(tmp_path / "session")[0].close(finished=False)
    assert not list((tmp_path / "session").glob(".unfinished-*"))
