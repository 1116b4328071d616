"""Sessions that did not end are offered; finished ones go when they are old."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.session.journal_making import made_up_result, run_recorded, small_request

from napari_gmmseg.config import FitConfig
from napari_gmmseg.session.journal import (
    JOURNAL,
    Journal,
    discard,
    new_folder,
    prune,
    read_history,
    recoverable,
    sessions_root,
)
from napari_gmmseg.session.journal.folders import LONGEST, MOST_FINISHED
from napari_gmmseg.session.situation import Kept


def _session(folder: Path, *, finished: bool) -> Path:
    journal = Journal.create(folder)
    journal.record({"kind": "opened", "request": small_request()})
    journal.record({"kind": "kept", "kept": Kept("a", made_up_result(), FitConfig())})
    journal.close(finished=finished)
    return folder


def test_only_sessions_that_did_not_end_and_are_not_in_use_are_offered(tmp_path: Path) -> None:
    _session(tmp_path / "finished", finished=True)
    left = _session(tmp_path / "left", finished=False)
    _session(tmp_path / "in-use", finished=False)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / JOURNAL).write_bytes(b"\xff\xfe\n")
    (tmp_path / "empty").mkdir()
    journal, _ = Journal.reopen(tmp_path / "in-use")
    found = recoverable(tmp_path)
    journal.close(finished=False)
    assert [session.folder for session in found] == [left]
    assert found[0].running is False
    assert found[0].began <= found[0].last


def test_a_session_whose_run_was_on_says_so(tmp_path: Path) -> None:
    run_recorded(small_request(method="gmm"), tmp_path / "session", ends_after=1)
    assert [session.running for session in recoverable(tmp_path)] == [True]


def test_where_no_session_was_ever_recorded_nothing_is_offered(tmp_path: Path) -> None:
    assert recoverable(tmp_path / "nowhere") == []
    assert prune(tmp_path / "nowhere") == []


def test_old_finished_sessions_are_removed_and_others_stay(tmp_path: Path) -> None:
    finished = _session(tmp_path / "finished", finished=True)
    left = _session(tmp_path / "left", finished=False)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    assert prune(tmp_path) == []
    now = (finished / JOURNAL).stat().st_mtime + LONGEST + 60
    assert prune(tmp_path, now=now) == [finished]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign", left.name]


def test_of_many_finished_sessions_the_last_stay(tmp_path: Path) -> None:
    folders = [tmp_path / f"{n:03}" for n in range(MOST_FINISHED + 2)]
    for folder in folders:
        Journal.create(folder).close(finished=True)
    assert set(prune(tmp_path)) == set(folders[:2])
    assert {path.name for path in tmp_path.iterdir()} == {folder.name for folder in folders[2:]}


def test_a_discarded_session_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    folder = _session(tmp_path / "session", finished=False)
    (folder / "notes.txt").write_text("mine")
    discard(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_session_in_use_is_not_discarded(tmp_path: Path) -> None:
    _session(tmp_path / "session", finished=False)
    journal, _ = Journal.reopen(tmp_path / "session")
    discard(tmp_path / "session")
    journal.close(finished=False)
    assert (tmp_path / "session" / JOURNAL).exists()


def test_the_environment_names_another_place_for_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAPARI_GMMSEG_SESSIONS", raising=False)
    assert sessions_root().name == "sessions"
    assert "napari-gmmseg" in sessions_root().parts
    monkeypatch.setenv("NAPARI_GMMSEG_SESSIONS", str(tmp_path))
    assert sessions_root() == tmp_path
    assert new_folder().parent == tmp_path


def test_two_new_folders_of_one_moment_are_two(tmp_path: Path) -> None:
    first = new_folder(tmp_path)
    first.mkdir()
    assert new_folder(tmp_path) != first


def test_a_session_in_which_nothing_was_done_is_not_offered_and_goes(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "session")
    journal.record({"kind": "opened", "request": small_request()})
    journal.flush()
    assert prune(tmp_path) == []
    journal.close(finished=False)
    assert recoverable(tmp_path) == []
    assert prune(tmp_path) == [tmp_path / "session"]


def test_a_journal_that_nobody_waits_for_is_whole_all_the_same(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "session")
    for n in range(20):
        journal.record({"kind": "kept", "kept": Kept(str(n), made_up_result(n), FitConfig())})
    journal.close(finished=True, wait=False)
    journal.wait()
    assert [event["kind"] for event in read_history(tmp_path / "session").events] == ["kept"] * 20 + ["closed"]
    Journal.reopen(tmp_path / "session")[0].close(finished=True)


def test_a_discard_that_was_interrupted_is_ended_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _session(tmp_path / "session", finished=False)
    assert list(folder.glob("result-*.npz"))

    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", interrupt)
        with pytest.raises(KeyboardInterrupt):
            discard(folder)
    assert list(folder.glob("result-*.npz"))
    assert recoverable(tmp_path) == []
    prune(tmp_path)
    assert not folder.exists()
