"""What is recorded comes back, and what was torn off is not missed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.session.journal_making import made_up_result, made_up_state, small_request

from napari_gmmseg.config import FitConfig
from napari_gmmseg.errors import InputError, OutputError
from napari_gmmseg.session.journal import JOURNAL, Journal, Replayer, read_history, result_hash
from napari_gmmseg.session.journal.locking import holder
from napari_gmmseg.session.journal.nouns import command_of, plain
from napari_gmmseg.session.journal.results import read_result, write_result
from napari_gmmseg.session.journal.states import SavedState, StateFiles
from napari_gmmseg.session.situation import Kept, Situation
from napari_gmmseg.volumes import Adjust, BiasField, Command, Look, Merge, Retune, SaveState, Split, Stop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "session"


@pytest.mark.parametrize(
    "command",
    [
        Stop(),
        Look(3),
        SaveState(),
        Merge(1, 2),
        Split(3),
        Retune({"n_classes": 4, "smoothness": 0.1}, frozenset({1, 3})),
        Adjust({2: (0.1 + 0.2, 5.0)}, {1: (3.0, 1e-300)}, frozenset({2})),
    ],
)
def test_a_command_comes_back_as_it_was(command: Command) -> None:
    assert command_of(json.loads(json.dumps(plain(command)))) == command


def test_a_command_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="not known"):
        command_of({"do": "dance"})


def test_a_result_comes_back_with_the_same_bits(tmp_path: Path) -> None:
    result = made_up_result()
    write_result(tmp_path / "r.npz", result)
    back = read_result(tmp_path / "r.npz")
    assert result_hash(back) == result_hash(result)
    assert back.label_map.classes == result.label_map.classes
    np.testing.assert_array_equal(back.mixture.means, result.mixture.means)
    assert (back.method, back.log_likelihood, back.steps, back.prior, back.base) == ("gmm", -1.5, 7, None, None)


def test_a_result_comes_back_with_its_bias_field(tmp_path: Path) -> None:
    field = BiasField(np.random.default_rng(0).normal(size=(1, 2, 3, 2)), (0, 1, 2), (4, 5, 6), (12.5,))
    write_result(tmp_path / "r.npz", replace(made_up_result(), bias_field=field))
    back = read_result(tmp_path / "r.npz").bias_field
    assert back is not None
    assert back.told() == field.told()


def test_a_hash_tells_one_voxel_and_one_bit_apart() -> None:
    result = made_up_result()
    other = made_up_result()
    other.probabilities[0, 0, 0, 0] = np.nextafter(other.probabilities[0, 0, 0, 0], np.float32(2))
    assert result_hash(other) != result_hash(result)


def test_an_image_without_files_comes_back_from_the_folder(folder: Path) -> None:
    request = small_request(n_classes=4)
    journal = Journal.create(folder)
    journal.record({"kind": "opened", "request": request})
    journal.close(finished=False)
    back = Replayer(read_history(folder)).opened.request
    np.testing.assert_array_equal(back.volume.data, request.volume.data)
    np.testing.assert_array_equal(back.volume.geometry.affine, request.volume.geometry.affine)
    assert (back.config, back.preset, back.preparation) == (request.config, request.preset, request.preparation)


def test_events_come_back_in_their_order(folder: Path) -> None:
    journal = Journal.create(folder)
    journal.record({"kind": "opened", "request": small_request()})
    for n in range(50):
        journal.record({"kind": "shown", "slice": n})
    journal.close(finished=True)
    events = read_history(folder).events
    assert [event["slice"] for event in events if event["kind"] == "shown"] == list(range(50))
    assert events[-1]["kind"] == "closed"
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)


@pytest.mark.parametrize("torn", [b'{"schema": 1, "ti', b"{", b'{"schema": 1, "time": 1, "kind": "closed"}'])
def test_a_torn_last_line_is_left_out_with_a_note(folder: Path, torn: bytes) -> None:
    journal = Journal.create(folder)
    journal.record({"kind": "shown", "slice": 1})
    journal.close(finished=False)
    with (folder / JOURNAL).open("ab") as file:
        file.write(torn)
    history = read_history(folder)
    assert [event["kind"] for event in history.events] == ["shown"]
    assert [note.code for note in history.notes] == ["torn-line"]
    assert not history.finished


def test_what_is_recorded_after_a_torn_line_begins_on_a_line_of_its_own(folder: Path) -> None:
    journal = Journal.create(folder)
    journal.record({"kind": "shown", "slice": 1})
    journal.close(finished=False)
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"schema": 1, "time"')
    journal, _ = Journal.reopen(folder)
    journal.record({"kind": "shown", "slice": 2})
    journal.close(finished=False)
    history = read_history(folder)
    assert [event["slice"] for event in history.events] == [1, 2]
    assert history.notes == ()


def test_damage_before_the_end_is_told_with_its_line(folder: Path) -> None:
    journal = Journal.create(folder)
    for n in range(3):
        journal.record({"kind": "shown", "slice": n})
    journal.close(finished=False)
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    (folder / JOURNAL).write_bytes(lines[0] + b"\x00\x00\n" + lines[2])
    with pytest.raises(InputError, match="line 2"):
        read_history(folder)


def test_two_states_stay_and_what_they_share_is_written_once(folder: Path) -> None:
    folder.mkdir()
    files = StateFiles(folder)
    for step in range(1, 6):
        files.put(SavedState(1, step, 0.0, made_up_state(step)))
    assert sorted(path.name for path in folder.glob("state-*")) == ["state-4.npz", "state-5.npz"]
    assert len(list(folder.glob("start-*"))) == 1
    newest = next(iter(StateFiles(folder).newest()))
    assert (newest.report, newest.state.meta["step"]) == (5, 5)
    np.testing.assert_array_equal(newest.state.start["memberships"], np.zeros((2, 3)))


def test_another_start_under_the_same_key_is_another_file(folder: Path) -> None:
    folder.mkdir()
    files = StateFiles(folder)
    files.put(SavedState(1, 1, 0.0, made_up_state(1, start=0)))
    files.put(SavedState(2, 1, 0.0, made_up_state(1, start=1)))
    starts = [saved.state.start["memberships"][0, 0] for saved in StateFiles(folder).newest()]
    assert starts == [1.0, 0.0]


def test_a_damaged_state_leads_to_the_one_before(folder: Path) -> None:
    folder.mkdir()
    files = StateFiles(folder)
    for step in (1, 2):
        files.put(SavedState(1, step, 0.0, made_up_state(step)))
    (folder / "state-2.npz").write_bytes((folder / "state-2.npz").read_bytes()[:200])
    assert [saved.report for saved in StateFiles(folder).newest()] == [1]


def test_the_last_state_from_which_a_fit_can_go_on_stays(folder: Path) -> None:
    folder.mkdir()
    files, spent = StateFiles(folder), {(1, n) for n in (2, 3, 4)}
    for step in (1, 2, 3, 4):
        files.put(SavedState(1, step, 0.0, made_up_state(step)), spent)
    assert [saved.report for saved in StateFiles(folder).newest()] == [4, 3, 1]


def test_kept_results_come_back_until_they_are_dropped(folder: Path) -> None:
    journal = Journal.create(folder)
    for n, name in enumerate(("a", "b")):
        journal.record({"kind": "kept", "kept": Kept(name, made_up_result(n), FitConfig())})
    journal.record({"kind": "dropped", "name": "a"})
    journal.close(finished=False)
    kept = read_history(folder).kept
    assert list(kept) == ["b"]
    assert [path.name for path in folder.glob("result-*")] == [kept["b"]["result"]["file"]]
    assert result_hash(read_result(folder / kept["b"]["result"]["file"])) == result_hash(made_up_result(1))


def test_of_many_results_that_were_shown_one_file_is_left(folder: Path) -> None:
    journal = Journal.create(folder)
    for n in range(6):
        situation = Situation(FitConfig(), made_up_result(n))
        journal.record({"kind": "acted", "words": "", "what": "adjust", "arguments": {}, "situation": situation})
    journal.close(finished=False)
    history = read_history(folder)
    assert history.situation is not None
    assert history.situation["result"]["hash"] == result_hash(made_up_result(5))
    assert [path.name for path in folder.glob("result-*")] == [history.situation["result"]["file"]]


def test_a_finished_session_keeps_what_it_takes_to_do_it_again(folder: Path) -> None:
    journal = Journal.create(folder)
    journal.record({"kind": "opened", "request": small_request()})
    journal.record({"kind": "kept", "kept": Kept("a", made_up_result(), FitConfig())})
    journal.close(finished=True)
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {JOURNAL, "lock", "input"}


def test_a_folder_that_is_in_use_is_refused_with_the_process(folder: Path) -> None:
    journal = Journal.create(folder)
    journal.record({"kind": "shown", "slice": 1})
    journal.flush()
    code = (
        "from napari_gmmseg.session.journal import Journal; from pathlib import Path;"
        f"Journal.reopen(Path({str(folder)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    journal.close(finished=False)
    assert "is in use by process" in done.stderr
    assert done.stderr.rstrip().rpartition("process ")[2].startswith(str(os.getpid()))


def test_the_lock_of_a_process_that_was_killed_is_taken_over(folder: Path) -> None:
    code = (
        "from napari_gmmseg.session.journal import Journal; from pathlib import Path; import os, signal;"
        f"j = Journal.create(Path({str(folder)!r})); j.record({{'kind': 'shown', 'slice': 1}}); j.flush();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -9
    assert (folder / "lock").read_text().strip().isdigit()
    assert holder(folder) is None
    journal, history = Journal.reopen(folder)
    assert holder(folder) is not None
    journal.close(finished=False)
    assert [event["slice"] for event in history.events] == [1]


@pytest.mark.parametrize("filled", ["session", "other", "file"])
def test_a_folder_that_holds_something_is_refused_with_a_hint(folder: Path, filled: str) -> None:
    if filled == "session":
        Journal.create(folder).close(finished=False)
    elif filled == "other":
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    else:
        folder.write_text("mine")
    with pytest.raises(OutputError, match=r"another session|not empty|in the way") as refusal:
        Journal.create(folder)
    assert "folder" in refusal.value.hint
