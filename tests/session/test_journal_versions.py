"""A journal of an old version is read as one of today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.session.journal_making import small_request

from napari_gmmseg.config import FitConfig
from napari_gmmseg.errors import InputError
from napari_gmmseg.session.journal import JOURNAL, Opened, read_history
from napari_gmmseg.session.journal.migrating import SCHEMA, migrated
from napari_gmmseg.session.journal.requests import opened_of, opened_values
from napari_gmmseg.volumes import Merge, Retune, Split

#: As version 0 had it: no run numbers, "t" and "event", and commands as {name: fields}.
VERSION_0 = [
    {"t": 10.0, "event": "opened", "volume": {"hash": "ab"}},
    {"t": 11.0, "event": "began", "config": {"n_classes": 3, "seed": 5}},
    {"t": 12.5, "event": "told", "after": 40, "command": {"retune": {"settings": {"n_classes": 4}, "protected": [1]}}},
    {"t": 12.7, "event": "told", "after": 44, "command": {"merge": {"into": 1, "other": 2}}},
    {"t": 13.0, "event": "state", "after": 60, "file": "state-1.npz", "sign": "cd"},
    {"t": 14.0, "event": "ended", "reason": "done", "result": {"hash": "ef", "name": "r", "file": None, "classes": []}},
    {"t": 15.0, "event": "closed"},
]


def _written(folder: Path, events: list[dict[str, Any]]) -> Path:
    folder.joinpath(JOURNAL).write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


def test_a_session_of_version_0_is_read_as_one_of_today(tmp_path: Path) -> None:
    history = read_history(_written(tmp_path, VERSION_0))
    (run,) = history.runs
    assert {event["schema"] for event in history.events} == {SCHEMA}
    assert [event["time"] for event in history.events] == [10.0, 11.0, 12.5, 12.7, 13.0, 14.0, 15.0]
    assert (run.number, run.config) == (1, FitConfig(n_classes=3, seed=5, bias_field="off"))
    assert run.orders == {40: Retune({"n_classes": 4}, frozenset({1})), 44: Merge(1, 2)}
    assert history.signs == {(1, 60): "cd"}
    assert (run.reason, run.result and run.result["hash"], history.finished) == ("done", "ef", True)


def test_what_a_run_of_version_1_was_to_be_told_is_read(tmp_path: Path) -> None:
    told = [[12, {"do": "merge", "into": 1, "other": 2}], [None, {"do": "split", "value": 1}]]
    began = {"schema": 1, "time": 2.0, "kind": "began", "run": 1, "config": {}, "told": told}
    heard = {"schema": 1, "time": 3.0, "kind": "told", "run": 1, "after": 12, "command": told[0][1]}
    (run,) = read_history(_written(tmp_path, [began, heard])).runs
    assert run.orders == {12: Merge(1, 2)}
    assert [(wish.after, wish.command) for wish in run.waiting] == [(None, Split(1))]


def test_an_event_of_today_is_left_as_it_is() -> None:
    event = {"schema": SCHEMA, "time": 1.0, "kind": "closed"}
    assert migrated(dict(event)) == event


def test_a_newer_version_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match=f"version {SCHEMA + 1}") as refusal:
        migrated({"schema": SCHEMA + 1, "time": 0, "kind": "closed"})
    assert "Update" in refusal.value.hint


@pytest.mark.parametrize("event", [{"event": "closed"}, {"schema": SCHEMA, "kind": "closed"}, {"schema": "new"}])
def test_an_event_that_lacks_what_its_version_has_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        migrated(event)


def test_a_case_of_before_brains_were_proposed_is_opened_without_a_proposal(tmp_path: Path) -> None:
    values = opened_values(Opened(small_request()), tmp_path)
    assert opened_of(values, tmp_path).request.proposes_brain
    del values["proposes_brain"]
    assert not opened_of(values, tmp_path).request.proposes_brain
