"""What a session does to the classes of a result, and of a run."""

from __future__ import annotations

import numpy as np
import pytest
from tests.session.gates import Gate, rest

from napari_gmmseg.config import find_preset
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session import SegmentationRequest, Session
from napari_gmmseg.volumes import Segmentation, Volume


@pytest.fixture
def done(session: Session, gate: Gate) -> Session:
    """A session with a result of three classes whose means are 10, 30 and 50."""
    gate.open()
    session.run()
    rest(session)
    return session


def result_of(session: Session) -> Segmentation:
    assert session.result is not None
    return session.result


def names(session: Session) -> list[str]:
    return [tissue.name for tissue in session.classes or ()]


def refusals(session: Session) -> list[str]:
    said: list[str] = []
    session.refused.connect(lambda finding: said.append(finding.message))
    return said


def test_a_new_name_stands_in_the_result_and_shares_its_arrays(done: Session):
    before = result_of(done)
    done.rename(2, "  Grey   matter ")
    assert names(done) == ["Class 1", "Grey matter", "Class 3"]
    assert result_of(done).label_map.classes[1].abbreviation == "GM"
    assert result_of(done).probabilities is before.probabilities


@pytest.mark.parametrize("name", ["class 1", "", "   "])
def test_a_name_that_is_taken_or_none_is_refused(done: Session, name: str):
    said, before = refusals(done), done.situation
    done.rename(2, name)
    assert len(said) == 1
    assert done.situation == before


def test_a_class_that_comes_later_leaves_a_person_his_name(done: Session):
    done.rename(1, "Class 4")
    done.split(3)
    rest(done)
    assert len(set(names(done))) == 4
    assert names(done)[0] == "Class 4"


def test_a_colour_stands_in_the_result(done: Session):
    done.recolour(3, (0.5, 0.25, 1.0))
    assert result_of(done).label_map.classes[2].colour == (0.5, 0.25, 1.0)


def test_what_is_no_colour_is_refused(done: Session):
    said = refusals(done)
    done.recolour(3, (0.5, 2.0, 0.0))
    assert len(said) == 1
    assert done.can_undo == "Segmentation"


def test_names_given_while_a_run_is_on_stand_in_its_result(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    session.rename(2, "Grey")
    assert names(session) == ["Class 1", "Grey", "Class 3"]
    gate.open()
    rest(session)
    assert [tissue.name for tissue in result_of(session).label_map.classes] == ["Class 1", "Grey", "Class 3"]


def test_merging_adds_up_probabilities_and_moments(done: Session):
    before = result_of(done)
    done.merge(1, 2)
    rest(done)
    after = result_of(done)
    assert after.label_map.classes.values == (1, 3)
    np.testing.assert_allclose(after.probabilities[0], before.probabilities[:2].sum(0), rtol=1e-6)
    np.testing.assert_allclose(after.mixture.class_means()[0], before.mixture.class_means()[:2].mean(0))
    # Two Gaussians of variance 25 whose means lie 20 apart: 25 + 10 ** 2.
    np.testing.assert_allclose(after.mixture.covariances[after.mixture.class_of == 0], 125.0)
    winners = np.array([1, 3])[after.probabilities.argmax(0)]
    np.testing.assert_array_equal(after.label_map.labels, winners)
    assert done.config.n_classes == 2


def test_an_edit_is_noted_in_the_result(done: Session):
    done.merge(1, 2)
    rest(done)
    assert result_of(done).provenance["edits"] == [{"merge": [1, 2]}]


def test_two_classes_cannot_become_one(done: Session):
    done.merge(1, 2)
    said = refusals(done)
    done.merge(1, 3)
    rest(done)
    assert len(said) == 1
    assert len(names(done)) == 2


def test_splitting_shares_the_voxels_of_a_class(done: Session):
    before = result_of(done)
    done.split(2)
    rest(done)
    after = result_of(done)
    assert after.label_map.classes.values == (1, 2, 3, 4)
    np.testing.assert_allclose(after.probabilities[[1, 3]].sum(0), before.probabilities[1], atol=1e-6)
    np.testing.assert_array_equal(after.probabilities[0], before.probabilities[0])
    counts = after.label_map.counts()
    assert counts[2] >= counts[4] > 0


def test_a_locked_class_is_not_merged_away(done: Session):
    done.lock(2, True)
    said = refusals(done)
    done.merge(1, 2)
    rest(done)
    assert said == ["Class 2 is locked."]
    done.merge(2, 1)
    rest(done)
    assert names(done) == ["Class 2", "Class 3"]


def test_moving_a_gaussian_moves_the_labels(done: Session):
    before = result_of(done)
    done.adjust({2: (45.0,)}, {})
    rest(done)
    after = result_of(done)
    np.testing.assert_allclose(after.mixture.class_means()[:, 0], [10, 45, 50])
    assert after.label_map.counts()[2] != before.label_map.counts()[2]
    np.testing.assert_allclose(after.probabilities.sum(0), 1, atol=1e-6)


def test_a_gaussian_that_is_moved_back_gives_the_fitted_labels(done: Session):
    before = result_of(done)
    done.adjust({2: (45.0,)}, {2: (9.0,)})
    done.adjust({2: (30.0,)}, {2: (5.0,)})
    rest(done)
    after = result_of(done)
    np.testing.assert_array_equal(after.label_map.labels, before.label_map.labels)
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-3)


def test_of_a_drag_one_entry_is_left(done: Session):
    before = result_of(done)
    done.begin_drag()
    for mean in range(31, 46):
        done.adjust({2: (float(mean),)}, {})
    done.end_drag()
    rest(done)
    assert result_of(done).mixture.class_means()[1, 0] == 45
    assert done.can_undo == "Gaussian of Class 2"
    done.undo()
    assert done.result is before
    assert done.can_undo == "Segmentation"


@pytest.mark.parametrize(("means", "stds"), [({9: (1.0,)}, {}), ({1: (1.0, 2.0)}, {}), ({}, {1: (-1.0,)})])
def test_what_makes_no_gaussian_is_refused(done: Session, means, stds):
    said, before = refusals(done), done.result
    done.adjust(means, stds)
    rest(done)
    assert len(said) == 1
    assert done.result is before


def test_labels_of_a_slice_follow_a_drag_without_changing_the_result(done: Session):
    before = done.situation
    shown = done.adjusted_labels({2: (45.0,)}, {}, plane=(1,))
    assert done.situation == before
    done.adjust({2: (45.0,)}, {})
    rest(done)
    np.testing.assert_array_equal(shown, result_of(done).label_map.labels[1])


def test_without_a_result_there_are_no_labels_to_move(session: Session):
    with pytest.raises(GmmsegError, match="no result"):
        session.adjusted_labels({1: (1.0,)}, {}, plane=(0,))


def test_without_a_result_classes_cannot_be_merged(session: Session):
    said = refusals(session)
    session.merge(1, 2)
    assert said == ["There is no result to edit."]


def test_what_is_asked_during_an_edit_is_done_after_it(done: Session):
    done.split(2)
    done.rename(4, "Upper half")
    assert done.can_undo == "Rename"
    rest(done)
    assert names(done)[-1] == "Upper half"
    assert done.can_undo == "Rename Class 4 to Upper half"


def test_undo_during_an_edit_drops_it(done: Session):
    before = done.situation
    done.split(2)
    done.undo()
    rest(done)
    assert done.situation == before
    assert done.can_undo == "Segmentation"


def test_classes_are_named_by_contrast(gate: Gate):
    gate.open()
    intensities = np.linspace(0, 60, 240, dtype=np.float32).reshape(4, 6, 10)
    volume = Volume.from_array(intensities, (1, 1, 1), channels=("t2",))
    session = Session()
    session.open(SegmentationRequest(volume, find_preset("custom")))
    session.run()
    rest(session)
    session.name_by_contrast()
    assert [tissue.abbreviation for tissue in session.classes or ()] == ["WM", "GM", "CSF"]
    assert [tissue.role for tissue in result_of(session).label_map.classes] == ["wm", "gm", "csf"]
    session.undo()
    assert names(session) == ["Class 1", "Class 2", "Class 3"]
    session.close()


def test_an_unknown_contrast_names_nothing(done: Session):
    said = refusals(done)
    done.name_by_contrast()
    assert len(said) == 1
    assert "contrast" in said[0]


def test_locks_go_with_every_command_that_could_undo_them(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    session.lock(1, True)
    session.lock(3, True)
    session.retune(n_classes=2)
    gate.advance(session, 8)
    assert set(session.locked) <= set(session.classes.values if session.classes else ())
    assert session.config.n_classes == 2


def test_a_class_that_is_locked_before_the_fit_hears_of_fewer_stays(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    session.retune(n_classes=2)
    session.lock(3, True)
    gate.advance(session, 6)
    assert session.locked == {3}
    assert session.classes is not None
    assert 3 in session.classes.values
    assert len(session.classes) == 2
