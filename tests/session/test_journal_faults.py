"""Faults of a file system that are rare: recording ends with one warning, work goes on."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from napari_gmmseg.session.journal import JOURNAL, Journal
from napari_gmmseg.session.journal.lines import LineFile, read_lines
from napari_gmmseg.session.journal.writing import Writer
from napari_gmmseg.volumes import Finding


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EIO, errno.EOPNOTSUPP])
def test_a_file_system_that_cannot_lock_ends_recording_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("napari_gmmseg.session.journal.locking._hold", refuse)
    warnings: list[Finding] = []
    journal = Journal.create(tmp_path / "session", warnings.append)
    assert not journal.recording
    assert [warning.code for warning in warnings] == ["not-recorded"]


def test_a_folder_of_too_long_a_name_ends_recording_with_a_warning(tmp_path: Path) -> None:
    warnings: list[Finding] = []
    assert not Journal.create(tmp_path / ("n" * 300), warnings.append).recording
    assert [warning.code for warning in warnings] == ["not-recorded"]


def _raise(error: Exception) -> None:
    raise error


def test_a_writer_whose_fault_nobody_can_be_told_of_is_still_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    writer, last = Writer(lambda _: _raise(RuntimeError("no stream"))), threading.Event()
    writer.put(lambda: _raise(OSError(errno.ENOSPC, "full")))
    writer.put_last(last.set)
    writer.close(wait=False)
    assert last.wait(10)
    assert "nobody could be told" in caplog.text


def test_a_warning_that_cannot_be_told_leaves_the_journal_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("napari_gmmseg.session.journal.locking._hold", lambda _: _raise(OSError(errno.EIO, "fault")))
    journal = Journal.create(tmp_path / "session", lambda _: _raise(RuntimeError("no stream")))
    assert journal.warning is not None
    assert "could not be told" in caplog.text


def test_a_file_name_that_is_no_text_is_recorded_and_read_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"M\xfcller.nii")
    lines = LineFile(tmp_path / JOURNAL)
    lines.append({"kind": "opened", "time": 1.0, "path": name})
    lines.close()
    events, _ = read_lines(tmp_path / JOURNAL)
    assert events[0]["path"] == name


def test_the_names_of_a_new_session_and_its_folders_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    for module in ("files", "lines"):
        monkeypatch.setattr(f"napari_gmmseg.session.journal.{module}.sync_folder", synced.append)
    Journal.create(tmp_path / "sessions" / "one").close(finished=False)
    assert {tmp_path, tmp_path / "sessions", tmp_path / "sessions" / "one"} <= set(synced)
