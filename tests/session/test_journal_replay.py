"""A session that is done again from its journal comes to the same bits, or says that it does not."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.cli.conftest import intensities, save, tissues
from tests.session.journal_making import drive, run_recorded, small_request

from napari_gmmseg.errors import InputError, ReplayError
from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import JOURNAL, Journal, Opened, Origin, Replayer, read_history, result_hash
from napari_gmmseg.volumes import Adjust, Command, Finding, Merge, Retune, SaveState, Split, Stop

#: Commands after so many reports, of the spatial mixture (the first dozen) and of the network.
ORDERS: dict[str, dict[int, Command]] = {
    "none": {},
    "settings": {20: Retune({"smoothness": 0.2, "learning_rate": 0.01})},
    "classes up and down": {3: Retune({"n_classes": 5}), 30: Retune({"n_classes": 2}), 45: Retune({"n_classes": 3})},
    "another method": {25: Retune({"method": "spatial"})},
    "class edits": {22: Merge(1, 2), 30: Split(3), 31: Adjust(means={3: (150.0,)}, locked=frozenset({3}))},
    "refused": {20: Merge(1, 9), 21: Retune({"n_classes": 99})},
    "stopped": {40: Stop()},
}


@pytest.mark.parametrize("orders", ORDERS.values(), ids=ORDERS)
def test_a_run_that_was_told_things_is_replayed_with_the_same_bits(tmp_path: Path, orders: dict[int, Command]) -> None:
    folder = tmp_path / "session"
    result = run_recorded(small_request(), folder, dict(orders))
    assert result is not None
    told = read_history(folder).runs[0].orders
    assert {after: command for after, command in told.items() if not isinstance(command, SaveState)} == orders
    replayer = Replayer(read_history(folder))
    assert result_hash(replayer.result()) == result_hash(result)
    assert replayer.equal


def test_class_edits_come_to_the_same_bits_whatever_number_of_threads_others_left(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    made = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            journal = Journal.create(tmp_path / f"{threads}")
            session = Session(recorder=journal)
            session.open(small_request(method="spatial"))
            session.run()
            drive(session)
            session.split(3)
            session.merge(1, 2)
            session.adjust({3: (90.0,)}, {})
            drive(session)
            made.append(result_hash(session.result))
            session.close()
            journal.close(finished=False)
        # Here with three threads, where one was left when it was recorded.
        assert result_hash(Replayer(read_history(tmp_path / "1")).result()) == made[0]
    finally:
        torch.set_num_threads(before)
    assert len(set(made)) == 1


def test_asking_for_states_all_the_time_changes_no_bit(tmp_path: Path) -> None:
    ticks = count(step=10)
    orders: dict[int, Command] = {30: Retune({"n_classes": 4})}
    often = run_recorded(small_request(), tmp_path / "often", orders, clock=lambda: float(next(ticks)))
    never = run_recorded(small_request(), tmp_path / "never", orders, clock=lambda: 0.0)
    assert often is not None
    assert never is not None
    n_states = [sum(e["kind"] == "state" for e in read_history(tmp_path / name).events) for name in ("often", "never")]
    assert n_states[0] > 10 > n_states[1]
    assert result_hash(often) == result_hash(never)


def test_a_session_with_edits_undo_and_several_runs_is_replayed_with_the_same_bits(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    refused: list[Finding] = []
    session.refused.connect(refused.append)
    session.open(small_request())
    session.run()
    drive(session, until=lambda: session.job is not None and session.job.n_reports >= 20)
    session.retune(n_classes=4)
    drive(session, until=lambda: session.classes is not None and len(session.classes) == 4)
    session.retune(smoothness=0.2)
    drive(session)
    session.undo()
    drive(session)
    session.merge(1, 2)
    drive(session)
    session.adjust({3: (150.0,)}, {4: (20.0,)})
    drive(session)
    session.rename(3, "Cortex")
    session.split(3)
    drive(session)
    session.undo()
    session.lock(3, True)
    session.retune(n_classes=4)
    drive(session)
    session.close()
    journal.close(finished=False)
    assert not refused
    assert session.result is not None
    replayer = Replayer(read_history(tmp_path / "session"))
    made = replayer.result()
    assert result_hash(made) == result_hash(session.result)
    assert made.label_map.classes == session.result.label_map.classes
    assert "Cortex" in [tissue.name for tissue in made.label_map.classes]


def test_a_second_run_whose_classes_kept_their_labels_is_replayed(tmp_path: Path) -> None:
    from dataclasses import replace

    from napari_gmmseg.config import find_preset

    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    session.open(replace(small_request(method="gmm"), preset=find_preset("custom")))
    session.run()
    drive(session)
    session.merge(1, 2)
    drive(session)
    session.run()
    drive(session)
    session.close()
    journal.close(finished=True)
    assert session.result is not None
    assert session.result.label_map.classes.values == (1, 3)
    assert result_hash(Replayer(read_history(tmp_path / "session")).result()) == result_hash(session.result)


def test_another_result_is_an_error_that_tells_what_differs(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    run_recorded(small_request(method="gmm"), folder)
    events = [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]
    events[0]["versions"]["torch"] = "1.0"
    events[1]["config"]["n_classes"] = 4
    (folder / JOURNAL).write_text("".join(json.dumps(event) + "\n" for event in events))
    with pytest.raises(ReplayError, match="another") as refusal:
        Replayer(read_history(folder)).result()
    assert "torch 1.0 then" in refusal.value.hint
    assert refusal.value.exit_code == 1
    lenient = Replayer(read_history(folder), strict=False)
    lenient.result()
    assert not lenient.equal


@pytest.fixture
def of_files(tmp_path: Path) -> Path:
    """A session of an image and a mask file."""
    from dataclasses import replace

    from napari_gmmseg.api import open_case, read

    image = save(tmp_path / "t1.nii.gz", intensities(tissues()))
    mask = save(tmp_path / "mask.nii.gz", (tissues() > 1).astype(np.uint8))
    case = open_case(read(image, contrasts=("t1",)), method="gmm", mask=mask)
    journal = Journal.create(tmp_path / "session")
    journal.record({"kind": "opened", "case": replace(case, origin=Origin((image,), ("t1",), {}, mask))})
    journal.close(finished=False)
    return tmp_path


def test_a_session_of_files_holds_no_copy_and_reads_them_again(of_files: Path) -> None:
    assert not list((of_files / "session").glob("input-*"))
    opened: Opened = Replayer(read_history(of_files / "session")).opened
    assert opened.request.volume.channels == ("t1",)
    assert int(np.asarray(opened.request.mask).sum()) == int((tissues() > 1).sum())
    assert [path.name for path in opened.files()] == ["t1.nii.gz", "mask.nii.gz"]


@pytest.mark.parametrize("name", ["t1.nii.gz", "mask.nii.gz"])
@pytest.mark.parametrize("how", ["changed", "moved", "gone"])
def test_an_input_that_is_not_what_it_was_is_named(of_files: Path, name: str, how: str) -> None:
    path = of_files / name
    if how == "gone":
        path.unlink()
    elif how == "moved":
        path.unlink()
        same = intensities(tissues()) if name == "t1.nii.gz" else (tissues() > 1).astype(np.uint8)
        save(path, same, np.diag([3.0, 1.0, 2.0, 1.0]))
    else:
        other = intensities(tissues(), seed=1) if name == "t1.nii.gz" else (tissues() > 2).astype(np.uint8)
        save(path, other)
    with pytest.raises(InputError, match="another than it was") as refusal:
        Replayer(read_history(of_files / "session"))
    assert name in refusal.value.message


def test_a_file_that_was_packed_anew_is_still_the_same_image(of_files: Path) -> None:
    import gzip

    path = of_files / "t1.nii.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    Replayer(read_history(of_files / "session"))
