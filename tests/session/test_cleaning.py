"""Islands in a session: taken out as one act, decided on one by one, undone, and done again from the journal."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.session.gates import rest
from tests.session.journal_making import drive, small_request
from tests.session.scribble_making import BRIGHT, DARK, halves_request, mask_hash

from napari_gmmseg.mixture import islands as region_tools
from napari_gmmseg.session import Session
from napari_gmmseg.session import islands as session_islands
from napari_gmmseg.session.islands import cleaned, plan_cleaning
from napari_gmmseg.session.journal import Journal, Replayer, read_history, result_hash
from napari_gmmseg.volumes import Finding

WINDOWS = ((3, 3, 3), (9, 9, 9))


def specked_request():
    """Two halves, with bright specks of 2 x 2 x 2 in the dark one."""
    request = halves_request()
    data = np.array(request.volume.data)
    bright = float(data.max())
    data[0, 1:3, 4:6, 2:4] = bright
    data[0, 1:3, 10:12, 2:4] = bright
    volume = replace(request.volume, data=data)
    return replace(request, volume=volume, config=replace(request.config, method="gmm"))


@pytest.fixture
def specked() -> Generator[Session]:
    session = Session()
    session.open(specked_request())
    session.run()
    rest(session)
    yield session
    session.close()


def islands(session: Session):
    return plan_cleaning(session.result, WINDOWS, (), session.edits).islands


def counted(session: Session) -> dict[int, int]:
    return session.result.label_map.counts()


def test_the_plan_is_what_the_clean_up_does_and_undo_takes_it_back(specked):
    before, was = mask_hash(specked), counted(specked)
    plan = plan_cleaning(specked.result, WINDOWS, (), None)
    assert len(plan.islands) == 2
    specked.clean(WINDOWS, words="Remove islands smaller than 3 mm")
    rest(specked)
    losses = {loss.value: loss.voxels for loss in plan.losses}
    assert losses[BRIGHT] == 16
    assert counted(specked)[BRIGHT] == was[BRIGHT] - 16
    assert not islands(specked)
    assert specked.can_undo == "Remove islands smaller than 3 mm"
    assert "cleaned" in [finding.code for finding in specked.result.findings]
    specked.undo()
    assert mask_hash(specked) == before
    specked.redo()
    assert counted(specked)[BRIGHT] == was[BRIGHT] - 16


def test_a_class_that_is_spared_or_locked_keeps_its_islands(specked):
    was = counted(specked)
    specked.clean(WINDOWS, spared=(BRIGHT,))
    rest(specked)
    assert counted(specked) == was
    specked.lock(BRIGHT, True)
    specked.clean(WINDOWS)
    rest(specked)
    assert counted(specked) == was


def test_an_island_that_is_kept_outlasts_a_clean_up_and_is_listed_no_more(specked):
    first, second = islands(specked)
    specked.keep_islands([first])
    assert specked.can_undo.startswith("Keep an island of ")
    assert islands(specked) == (second,)
    specked.clean(WINDOWS)
    rest(specked)
    labels = specked.result.label_map.labels
    assert labels[first.voxel] == BRIGHT
    assert labels[second.voxel] == DARK


def test_an_island_that_is_removed_takes_the_class_around_it_and_stays_so_in_a_new_run(specked):
    first, second = islands(specked)
    specked.remove_islands([first])
    assert specked.result.label_map.labels[first.voxel] == DARK
    specked.run()
    rest(specked)
    assert specked.result.label_map.labels[first.voxel] == DARK
    assert specked.result.label_map.labels[second.voxel] == BRIGHT


def test_islands_become_a_class_of_their_own_and_undo_takes_it_back(specked):
    before = mask_hash(specked)
    specked.make_class_of(islands(specked))
    assert len(specked.classes) == 3
    new = next(v for v in specked.classes.values if v not in (DARK, BRIGHT))
    assert counted(specked)[new] == 16
    assert len(specked.result.probabilities) == 3
    specked.clean(WINDOWS)
    rest(specked)
    assert counted(specked)[new] == 16
    specked.undo()
    specked.undo()
    assert mask_hash(specked) == before
    assert len(specked.classes) == 2


def test_a_stroke_in_a_part_of_an_island_holds_all_of_it(specked):
    first, second = islands(specked)
    corner = np.array([[stop - 1 for _, stop in first.box]])
    specked.edit(corner, BRIGHT)
    assert tuple(corner[0]) != first.voxel
    assert islands(specked) == (second,)
    before = specked.result.label_map.labels.copy()
    specked.clean(WINDOWS)
    rest(specked)
    after = specked.result.label_map.labels
    assert (after[first.slices] == before[first.slices]).all()
    assert after[second.voxel] == DARK


def test_of_many_islands_the_largest_are_listed_and_all_are_counted(specked, monkeypatch):
    monkeypatch.setattr(session_islands, "MOST_ISLANDS", 1)
    plan = plan_cleaning(specked.result, WINDOWS, (), None)
    assert (len(plan.islands), plan.count) == (1, 2)


def test_a_plan_that_nobody_wants_any_more_is_given_up_while_islands_are_listed(specked, monkeypatch):
    asked: list[int] = []

    def listed(label_map, value, *_, **__):
        asked.append(value)
        return [], 0

    monkeypatch.setattr(region_tools, "islands_of", listed)
    assert plan_cleaning(specked.result, WINDOWS, (), None, lambda: not asked) is None
    assert asked == [DARK]


def test_islands_in_declared_background_go_there_and_stay_there_in_what_is_exported(specked):
    specked.declare_background(DARK)
    first, second = islands(specked)
    specked.remove_islands([first])
    assert specked.result.label_map.labels[first.voxel] == 0
    plan = plan_cleaning(specked.result, WINDOWS, (), specked.edits)
    assert {loss.value: loss.voxels for loss in plan.losses}[BRIGHT] == 8
    specked.clean(WINDOWS)
    rest(specked)
    assert specked.result.label_map.labels[second.voxel] == 0
    assert not islands(specked)
    specked.undo()
    assert specked.result.label_map.labels[second.voxel] == BRIGHT
    specked.redo()
    specked.declare_background(None)
    assert specked.result.label_map.labels[second.voxel] == DARK


def test_a_hole_of_declared_background_can_be_kept(specked):
    specked.declare_background(BRIGHT)
    first, second = islands(specked)
    specked.keep_islands([first])
    specked.clean(WINDOWS)
    rest(specked)
    assert specked.result.label_map.labels[first.voxel] == 0
    assert specked.result.label_map.labels[second.voxel] == DARK


def test_islands_that_are_gone_are_refused(specked):
    refused: list[Finding] = []
    specked.refused.connect(refused.append)
    found = islands(specked)
    specked.clean(WINDOWS)
    rest(specked)
    specked.remove_islands(found)
    assert "not there" in refused[-1].message


def test_a_clean_up_without_a_result_or_during_a_run_is_refused():
    session = Session()
    refused: list[Finding] = []
    session.refused.connect(refused.append)
    session.clean(WINDOWS)
    assert refused[-1].message.startswith("There is no result")
    session.open(specked_request())
    session.run()
    session.pause()
    session.clean(WINDOWS)
    assert refused[-1].message == "A run is on."
    session.close()


def test_settings_of_the_loss_wait_for_the_next_run_and_begin_none(specked):
    specked.set_outliers(outlier_weight=1.0, outlier_inner=3, outlier_outer=9)
    assert not specked.running
    assert (specked.config.outlier_inner, specked.config.outlier_weight) == (3, 1.0)
    specked.undo()
    assert specked.config.outlier_weight == 0.0


def test_windows_that_contradict_each_other_are_refused(specked):
    refused: list[Finding] = []
    specked.refused.connect(refused.append)
    specked.set_outliers(outlier_weight=1.0, outlier_inner=9, outlier_outer=5)
    assert "smaller" in refused[-1].message
    assert specked.config.outlier_weight == 0.0


def test_windows_that_change_in_mid_run_act_without_a_new_beginning():
    session = Session()
    session.open(small_request(method="deepsvg", outlier_ramp=0.0))
    session.run()
    drive(session, until=lambda: session.job.n_reports >= 12)
    job = session.job
    session.set_outliers(outlier_weight=1.0, outlier_inner=3, outlier_outer=9)
    drive(session)
    assert session.job is job
    assert any("outlier region" in report.terms for report in session.trail)
    assert "outlier region" not in session.trail[5].terms
    assert [words for _, words in session.marks] == [
        "Outlier weight γ: 0.0 → 1.0, Inner window i: 7 → 3, Outer window j: 21 → 9"
    ]
    session.close()


def test_clean_ups_and_decisions_are_replayed_with_the_same_bits(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "session")
    session = Session(recorder=journal)
    session.open(small_request(method="gmm"))
    session.run()
    drive(session)
    found = plan_cleaning(session.result, WINDOWS, (), None).islands
    assert len(found) >= 3
    session.keep_islands(found[:1])
    session.remove_islands(found[1:2])
    session.make_class_of(found[2:3])
    session.clean(WINDOWS, spared=(1,))
    drive(session)
    result = session.result
    session.close()
    journal.close(finished=False)
    replayer = Replayer(read_history(tmp_path / "session"))
    again = replayer.result()
    assert result_hash(again) == result_hash(result)
    assert replayer.equal
    np.testing.assert_array_equal(again.label_map.labels, result.label_map.labels)


def test_a_clean_up_under_edits_changes_what_is_shown_as_it_was_planned(specked):
    first, _ = islands(specked)
    specked.keep_islands([first])
    now = specked.situation
    plain = cleaned(now.result, now.model, WINDOWS, (), now.edits)
    specked.clean(WINDOWS)
    rest(specked)
    np.testing.assert_array_equal(specked.situation.model.label_map.labels, plain.label_map.labels)
