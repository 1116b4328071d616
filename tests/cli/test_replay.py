"""A session is done again, and the exit code tells whether it came out the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.session.journal_making import drive, small_request

from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import Journal, result_hash

from .conftest import Outcome, intensities, save, tissues

Run = Callable[..., Outcome]


@pytest.fixture
def session(run: Run, t1: Path, tmp_path: Path) -> Path:
    """A finished session of one image."""
    words = ("--session", tmp_path / "session", "--method", "spatial")
    assert run("segment", t1, "-o", tmp_path / "mask.nii.gz", *words).code == 0
    return tmp_path / "session"


def _changed(folder: Path, kind: str, **values: object) -> None:
    """Change an event, as if another program had recorded it."""
    path = folder / "journal.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        if event["kind"] == kind:
            event |= {name: {**event[name], **value} for name, value in values.items()}  # type: ignore[dict-item]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_the_same_result_is_exit_code_0(run: Run, session: Path) -> None:
    outcome = run("replay", session, "--verify", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.data["equal"] is True
    assert outcome.data["hash"] == outcome.data["recorded_hash"]
    assert outcome.data["method"] == "spatial"


def test_what_a_person_did_in_a_window_is_done_again(run: Run, tmp_path: Path) -> None:
    """Retuned in mid-run and afterwards, classes edited, undone and redone: the journal of a dock's session."""
    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    session.open(small_request())
    session.run()
    drive(session, until=lambda: session.job is not None and session.job.n_reports >= 20)
    session.retune(n_classes=4)
    for act in (
        lambda: session.merge(1, 2),
        session.undo,
        session.redo,
        lambda: session.split(3),
        lambda: session.adjust({3: (150.0,)}, {}),
        session.undo,
        lambda: session.retune(n_classes=3),
        lambda: session.rename(3, "Cortex"),
    ):
        drive(session)
        act()
    drive(session)
    session.close()
    journal.close(finished=True)
    outcome = run("replay", tmp_path / "session", "--verify", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.data["equal"] is True
    assert session.result is not None
    assert outcome.data["hash"] == result_hash(session.result)


def test_another_result_is_exit_code_1_with_what_differs_and_no_json(run: Run, session: Path) -> None:
    _changed(session, "began", config={"n_classes": 4})
    _changed(session, "opened", versions={"torch": "0.1"})
    outcome = run("replay", session, "--verify", "--json")
    assert outcome.code == 1
    assert outcome.out == ""
    assert "The result is another" in outcome.err
    assert "torch 0.1 then" in outcome.err


def test_without_verify_another_result_is_told_with_exit_code_0(run: Run, session: Path) -> None:
    _changed(session, "began", config={"n_classes": 4})
    outcome = run("replay", session, "--json")
    assert outcome.code == 0
    assert outcome.data["equal"] is False
    assert outcome.data["hash"] != outcome.data["recorded_hash"]
    assert "Another result" in run("replay", session).out


def test_a_person_reads_that_the_result_is_the_same(run: Run, session: Path) -> None:
    outcome = run("replay", session, "--verify")
    assert "The same result: SHA-256" in outcome.out


def test_replay_changes_nothing_in_the_session(run: Run, session: Path) -> None:
    before = {path.name: path.read_bytes() for path in session.iterdir()}
    assert run("replay", session, "--verify").code == 0
    assert {path.name: path.read_bytes() for path in session.iterdir()} == before


def test_a_session_without_a_result_is_a_mistake_with_a_hint(run: Run, session: Path) -> None:
    path = session / "journal.jsonl"
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["kind"] in ("opened", "began")]
    path.write_text("\n".join(lines) + "\n")
    outcome = run("replay", session, "--verify")
    assert outcome.code == 2
    assert "has no result yet" in outcome.err
    assert f"napari-gmmseg resume {session}" in outcome.err


def test_an_input_that_changed_is_a_mistake_and_not_another_result(run: Run, session: Path, t1: Path) -> None:
    save(t1, intensities(tissues(), seed=2))
    outcome = run("replay", session, "--verify")
    assert outcome.code == 2
    assert "another than it was" in outcome.err


def test_what_is_no_session_is_a_mistake(run: Run, tmp_path: Path) -> None:
    outcome = run("replay", tmp_path, "--verify")
    assert outcome.code == 2
    assert "There is no session" in outcome.err
