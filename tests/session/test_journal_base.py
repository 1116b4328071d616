"""What a result refined has the same label values and names after a crash, and in a replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.session.journal_making import drive, noisy_volume, small_request

from napari_gmmseg.config import find_preset
from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import Journal, Replayer, read_history, recover, result_hash


def test_what_a_renamed_result_refined_is_renamed_after_recovery(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    session.open(small_request(method="auto", max_steps=8))
    session.run()
    drive(session)
    # Its file is written with the names as they were.
    journal.flush()
    session.rename(1, "Water")
    session.close()
    journal.close(finished=False)
    recovered = recover(tmp_path / "session")
    recovered.journal.close(finished=False)
    result = recovered.situation.result
    assert result is not None
    assert result.base is not None
    assert result.label_map.classes[0].name == result.base.label_map.classes[0].name == "Water"


def test_an_edit_of_a_second_run_whose_classes_kept_their_labels_is_replayed_with_what_it_refined(
    tmp_path: Path,
) -> None:
    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    volume = replace(noisy_volume(), channels=("",))
    session.open(replace(small_request(method="auto", max_steps=8), preset=find_preset("custom"), volume=volume))
    session.run()
    drive(session)
    session.split(3)
    drive(session)
    session.merge(4, 3)
    drive(session)
    session.run()
    drive(session)
    assert session.result is not None
    assert session.result.base is not None
    assert session.result.label_map.classes.values == session.result.base.label_map.classes.values == (1, 2, 4)
    session.split(4)
    drive(session)
    session.close()
    journal.close(finished=True)
    replayer = Replayer(read_history(tmp_path / "session"))
    assert result_hash(replayer.result()) == result_hash(session.result)
