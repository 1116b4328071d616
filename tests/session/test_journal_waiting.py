"""What a fit had not heard yet when its session was ended by force, and what came of undo and cancel then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.session.journal_making import drive, small_request

from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import JOURNAL, Journal, read_history, recover, result_hash
from napari_gmmseg.session.journal.recovering import Recovered
from napari_gmmseg.volumes import Adjust, Retune


def _paused(folder: Path, **settings: object) -> tuple[Session, Journal]:
    """A session whose run is paused in its midst."""
    journal = Journal.create(folder)
    session = Session(recorder=journal)
    session.open(small_request(max_steps=60, **settings))
    session.run()
    assert session.job is not None
    _to_report(session, 25)
    session.pause()
    drive(session, until=lambda: session.job is not None and session.job.state == "paused")
    session.poll()
    return session, journal


def _to_report(session: Session, n_reports: int) -> None:
    drive(session, until=lambda: session.job is not None and session.job.n_reports >= n_reports)


def _killed(session: Session, journal: Journal, copy: Path) -> Path:
    """The folder as it is now; the session ends."""
    journal.flush()
    shutil.copytree(journal.folder, copy)
    session.close()
    journal.close(finished=False)
    return copy


def _again(folder: Path) -> tuple[Session, Recovered]:
    recovered = recover(folder)
    session = Session(recorder=recovered.journal)
    session.restore(recovered.request, recovered.situation, recovered.kept)
    return session, recovered


def test_what_was_said_while_paused_is_told_after_recovery_and_comes_to_the_same_bits(tmp_path: Path) -> None:
    session, journal = _paused(tmp_path / "session")
    session.retune(n_classes=4)
    journal.flush()
    shutil.copytree(tmp_path / "session", tmp_path / "killed")
    session.resume()
    drive(session)
    session.close()
    journal.close(finished=True)
    again, recovered = _again(tmp_path / "killed")
    drive(again)
    again.close()
    recovered.journal.close(finished=False)
    assert session.result is not None
    assert again.result is not None
    assert again.config.n_classes == len(again.result.label_map.classes) == 4
    assert result_hash(again.result) == result_hash(session.result)
    assert "Classes K: 3 → 4" in [words for _, words in again.marks]


def test_of_what_was_amended_and_withdrawn_the_last_is_told(tmp_path: Path) -> None:
    session, journal = _paused(tmp_path / "session")
    session.retune(smoothness=0.2)
    session.retune(n_classes=5)
    session.lock(2, True)
    session.undo()
    session.undo()
    session.redo()
    folder = _killed(session, journal, tmp_path / "killed")
    waiting = read_history(folder).runs[-1].waiting
    assert [wish.command.settings for wish in waiting if isinstance(wish.command, Retune)] == [
        {"smoothness": 0.2},
        {"n_classes": 5},
    ]
    assert not [wish for wish in waiting if isinstance(wish.command, Adjust)]
    again, recovered = _again(folder)
    assert [said.sentence.words for said in again._run.log.said] == [wish.words for wish in waiting]  # type: ignore[union-attr]
    again.close()
    recovered.journal.close(finished=False)


def test_a_recovered_run_that_is_killed_before_it_heard_is_still_told(tmp_path: Path) -> None:
    session, journal = _paused(tmp_path / "session")
    session.retune(n_classes=4)
    folder = _killed(session, journal, tmp_path / "killed")
    again, recovered = _again(folder)
    recovered.journal.flush()
    shutil.copytree(folder, tmp_path / "twice")
    again.close()
    recovered.journal.close(finished=False)
    commands = [wish.command for wish in read_history(tmp_path / "twice").runs[-1].waiting]
    assert [command.settings for command in commands if isinstance(command, Retune)] == [{"n_classes": 4}]


def _end_lines(folder: Path, keep: Callable[[dict[str, object]], bool]) -> None:
    """Cut the journal off after the last line that is kept."""
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if keep(json.loads(line)))
    (folder / JOURNAL).write_bytes(b"".join(lines[: last + 1]))


def test_after_a_kill_right_after_undo_the_run_goes_on_without_what_was_undone(tmp_path: Path) -> None:
    session, journal = _paused(tmp_path / "session")
    session.retune(n_classes=4)
    session.resume()
    drive(session, until=lambda: session.classes is not None and len(session.classes) == 4)
    session.undo()
    folder = _killed(session, journal, tmp_path / "killed")
    _end_lines(folder, lambda event: event["kind"] == "undone")
    again, recovered = _again(folder)
    drive(again)
    again.close()
    recovered.journal.close(finished=False)
    assert again.result is not None
    assert again.config.n_classes == len(again.result.label_map.classes) == 3


@pytest.mark.parametrize("kills", [1, 2])
def test_cancelling_a_recovered_run_goes_back_to_before_it(tmp_path: Path, kills: int) -> None:
    session, journal = _paused(tmp_path / "session")
    session.retune(n_classes=4)
    session.rename(1, "Water")
    folder = _killed(session, journal, tmp_path / "killed-0")
    for kill in range(1, kills):
        again, recovered = _again(folder)
        again.rename(2, "Cortex")
        folder = _killed(again, recovered.journal, tmp_path / f"killed-{kill}")
        for path in folder.glob("state-*"):
            path.unlink()
    again, recovered = _again(folder)
    again.cancel()
    assert again.config.n_classes == 3
    assert again.classes is not None
    assert not {"Water", "Cortex"} & {tissue.name for tissue in again.classes}
    again.close()
    recovered.journal.close(finished=False)
