"""What a session was when it was ended by force is there again, and goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.session.journal_making import drive, run_recorded, small_request

from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import JOURNAL, Journal, Replayer, read_history, recover, result_hash
from napari_gmmseg.volumes import Command, Retune

ORDERS: dict[int, Command] = {
    3: Retune({"n_classes": 4}),
    30: Retune({"smoothness": 0.3}),
    50: Retune({"n_classes": 3}),
}


@pytest.fixture(scope="module")
def whole_hash(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the run comes to without a break."""
    whole = run_recorded(small_request(), tmp_path_factory.mktemp("whole") / "session", ORDERS)
    assert whole is not None
    return result_hash(whole)


@pytest.mark.parametrize("ends_after", [1, 3, 12, 25, 30, 31, 45, 50, 51, 70])
def test_a_run_that_ended_after_any_report_goes_on_to_the_same_bits(
    tmp_path: Path, whole_hash: str, ends_after: int
) -> None:
    folder = tmp_path / "broken"
    ticks = iter(range(0, 100_000, 3))
    ended = run_recorded(small_request(), folder, ORDERS, ends_after=ends_after, clock=lambda: float(next(ticks)))
    if ended is None:
        replayer = Replayer(read_history(folder))
        going_on = replayer.continuation()
        assert going_on is not None
        assert ends_after < 25 or going_on.saved is not None
        ended = run_recorded(going_on.request, tmp_path / "on", going_on.orders)
        assert ended is not None
    assert result_hash(ended) == whole_hash


@pytest.fixture
def left(tmp_path: Path) -> tuple[Path, str]:
    """The folder of a session as it was in mid-run, and the hash of the result that it came to."""
    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    session.open(small_request(max_steps=120))
    session.run()
    drive(session, until=lambda: session.job is not None and session.job.n_reports >= 25)
    session.retune(n_classes=4)
    drive(session, until=lambda: session.classes is not None and len(session.classes) == 4)
    session.rename(1, "Water")
    assert session.job is not None
    session.job.pause()
    drive(session, until=lambda: session.job is not None and session.job.state == "paused")
    session.poll()
    journal.flush()
    shutil.copytree(tmp_path / "session", tmp_path / "left")
    session.job.resume()
    drive(session)
    session.close()
    journal.close(finished=True)
    assert session.result is not None
    return tmp_path / "left", result_hash(session.result)


def test_a_run_that_was_on_is_taken_up_with_its_names_and_comes_to_the_same_bits(left: tuple[Path, str]) -> None:
    folder, wanted = left
    recovered = recover(folder)
    session = Session(recorder=recovered.journal)
    session.restore(recovered.request, recovered.situation, recovered.kept)
    assert session.running
    drive(session)
    session.close()
    recovered.journal.close(finished=False)
    assert session.result is not None
    assert result_hash(session.result) == wanted
    assert session.result.label_map.classes[0].name == "Water"
    assert result_hash(Replayer(read_history(folder)).result()) == wanted


def test_a_recovered_session_that_is_ended_by_force_is_recovered_again(left: tuple[Path, str], tmp_path: Path) -> None:
    folder, wanted = left
    recovered = recover(folder)
    session = Session(recorder=recovered.journal)
    session.restore(recovered.request, recovered.situation, recovered.kept)
    session.poll()
    recovered.journal.flush()
    shutil.copytree(folder, tmp_path / "again")
    session.close()
    recovered.journal.close(finished=False)
    recovered = recover(tmp_path / "again")
    session = Session(recorder=recovered.journal)
    session.restore(recovered.request, recovered.situation, recovered.kept)
    drive(session)
    session.close()
    recovered.journal.close(finished=False)
    assert session.result is not None
    assert result_hash(session.result) == wanted


def test_result_settings_locks_names_and_kept_results_are_there_again(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    session.open(small_request(method="spatial"))
    session.run()
    drive(session)
    session.keep_as("as fitted")
    session.adjust({2: (105.0,)}, {})
    drive(session)
    session.rename(2, "Cortex")
    session.lock(2, True)
    session.retune(seed=5)
    session.close()
    journal.close(finished=False)
    recovered = recover(tmp_path / "session")
    recovered.journal.close(finished=False)
    then, now = session.situation, recovered.situation
    assert (now.config, now.locked, now.given, now.means) == (then.config, then.locked, then.given, then.means)
    assert now.result is not None
    assert then.result is not None
    assert result_hash(now.result) == result_hash(then.result)
    assert now.result.label_map.classes == then.result.label_map.classes
    assert [kept.name for kept in recovered.kept] == ["as fitted"]
    assert result_hash(recovered.kept[0].segmentation) == result_hash(session.kept[0].segmentation)
    assert now.run is None


def test_a_result_whose_file_is_gone_is_made_again(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    session.open(small_request(method="spatial"))
    session.run()
    drive(session)
    session.close()
    journal.close(finished=False)
    for path in (tmp_path / "session").glob("result-*"):
        path.unlink()
    recovered = recover(tmp_path / "session")
    recovered.journal.close(finished=False)
    assert recovered.situation.result is not None
    assert session.result is not None
    np.testing.assert_array_equal(
        recovered.situation.result.label_map.labels, session.result.label_map.labels, strict=True
    )


def test_a_session_ended_before_its_run_began_is_its_image(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "session")
    journal.record({"kind": "opened", "request": small_request(n_classes=5)})
    journal.close(finished=False)
    recovered = recover(tmp_path / "session")
    recovered.journal.close(finished=False)
    assert recovered.situation.config.n_classes == 5
    assert recovered.situation.result is None
    assert recovered.situation.run is None


def test_a_state_whose_line_was_not_written_any_more_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 100_000, 3))
    run_recorded(small_request(), tmp_path, ORDERS, ends_after=45, clock=lambda: float(next(ticks)))
    journal = tmp_path / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b'"kind": "state"' in line and b'"file"' in line)
    journal.write_bytes(b"".join(lines[:last]))
    # So many states that the one that it went on from is removed.
    monkeypatch.setattr("napari_gmmseg.session.following.SAVE_EVERY", 0.0)
    recovered = recover(tmp_path)
    session = Session(recorder=recovered.journal)
    session.restore(recovered.request, recovered.situation, recovered.kept)
    drive(session)
    session.close()
    recovered.journal.close(finished=False)
    assert session.result is not None
    # What it was to be told after the kill is not in the journal.
    assert result_hash(Replayer(read_history(tmp_path)).result()) == result_hash(session.result)
