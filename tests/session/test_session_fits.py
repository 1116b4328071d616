"""A session with real fits of a small image: a mixture, then a network."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
from tests.session.gates import Gate, rest

from napari_gmmseg.config import FitConfig, find_preset
from napari_gmmseg.session import SegmentationRequest, Session, segment_in_steps
from napari_gmmseg.volumes import Segmentation, Volume

FEW = FitConfig(method="blindspot", max_steps=12, warm_steps=2, width=4, depth=2, threads=1)


def three_shells() -> Volume:
    """A ball of three tissues in noise."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (10, 16, 18)], indexing="ij"))
    labels = np.digitize(-np.linalg.norm(grid, axis=0), (-0.9, -0.7, -0.45))
    rough = np.maximum(labels * 60 + np.random.default_rng(0).normal(0, 20, labels.shape), 1)
    return Volume.from_array(np.where(labels > 0, rough, 0).astype(np.float32), (1, 1, 1))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Generator[Gate]:
    made = Gate(segment_in_steps)
    monkeypatch.setattr("napari_gmmseg.session.following.segment_in_steps", made)
    yield made
    made.open()


@pytest.fixture
def shells(slow: Gate) -> Generator[Session]:
    session = Session()
    session.open(SegmentationRequest(three_shells(), find_preset("brain-t1"), config=FEW))
    yield session
    slow.open()
    session.close()


def result_of(session: Session) -> Segmentation:
    assert session.result is not None, session.job and session.job.error
    return session.result


def until(session: Session, gate: Gate, phase: str) -> None:
    """Let the fit come to a phase."""
    while not session.trail or session.trail[-1].phase != phase:
        gate.advance(session)
        assert session.running, session.job and session.job.error


def uninterrupted() -> Segmentation:
    steps = segment_in_steps(SegmentationRequest(three_shells(), find_preset("brain-t1"), config=FEW))
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: Segmentation = end.value
        return result


@pytest.mark.parametrize("phase", ["Spatial mixture", "Blind-spot prior"])
@pytest.mark.parametrize("settings", [{"n_classes": 4}, {"learning_rate": 0.02}])
def test_what_was_undone_in_mid_run_leaves_no_bit_in_the_result(shells: Session, slow: Gate, phase: str, settings):
    shells.run()
    until(shells, slow, phase)
    slow.advance(shells, 2)
    shells.retune(**settings)
    slow.advance(shells, 4)
    shells.undo()
    slow.release_others(shells)
    slow.open()
    rest(shells)
    plain, undone = uninterrupted(), result_of(shells)
    assert undone.prior is not None
    np.testing.assert_array_equal(undone.prior, plain.prior)
    np.testing.assert_array_equal(undone.label_map.labels, plain.label_map.labels)


def test_states_are_saved_in_a_training_alone(shells: Session, slow: Gate):
    events = []
    shells.recorder = type("Recorder", (), {"record": lambda self, event: events.append(dict(event))})()
    shells.run()
    until(shells, slow, "Spatial mixture")
    shells.lock(1, True)
    until(shells, slow, "Blind-spot prior")
    assert not [event for event in events if event["kind"] == "state"]
    shells.lock(2, True)
    slow.advance(shells, 3)
    assert len([event for event in events if event["kind"] == "state"]) == 1


def test_k_to_and_fro_in_mid_run_keeps_names_and_colours_with_their_tissue(shells: Session, slow: Gate):
    shells.run()
    until(shells, slow, "Blind-spot prior")
    shells.rename(3, "White stuff")
    for k in (5, 3, 4, 3):
        shells.retune(n_classes=k)
        slow.advance(shells, 3)
        assert len(shells.classes or ()) == k
    slow.open()
    rest(shells)
    result = result_of(shells)
    assert [tissue.abbreviation for tissue in result.label_map.classes] == ["CSF", "GM", "WS"]
    means = result.mixture.class_means()[:, 0]
    assert list(means) == sorted(means)


def test_a_named_class_may_go_only_where_no_other_is_left(shells: Session, slow: Gate):
    slow.open()
    shells.run()
    rest(shells)
    shells.rename(1, "Fluid")
    shells.lock(3, True)
    shells.retune(n_classes=2)
    rest(shells)
    assert [tissue.value for tissue in result_of(shells).label_map.classes] == [1, 3]


def test_what_a_fit_refuses_of_a_result_leaves_its_classes(shells: Session, slow: Gate):
    slow.open()
    shells.run()
    rest(shells)
    for value in (1, 2, 3):
        shells.lock(value, True)
    said: list[str] = []
    shells.refused.connect(lambda finding: said.append(finding.message))
    shells.retune(n_classes=2)
    rest(shells)
    assert said == ["All 3 classes are named or locked: none of them may disappear."]
    assert shells.config.n_classes == 3
    assert result_of(shells).label_map.classes.values == (1, 2, 3)


def test_a_locked_gaussian_is_held_through_a_run(shells: Session, slow: Gate):
    slow.open()
    shells.retune(method="spatial")
    shells.run()
    rest(shells)
    shells.adjust({2: (130.0,)}, {2: (25.0,)})
    shells.lock(2, True)
    shells.retune(neighbour_weight=0.5)
    rest(shells)
    mixture = result_of(shells).mixture
    own = mixture.class_of == 1
    np.testing.assert_allclose(mixture.means[own], 130.0, rtol=1e-6)
    np.testing.assert_allclose(mixture.stds[own], 25.0, rtol=1e-6)


def test_edits_go_through_a_refined_result_and_what_it_refined(shells: Session, slow: Gate):
    slow.open()
    shells.retune(method="auto")
    shells.run()
    rest(shells)
    shells.split(2)
    rest(shells)
    result = result_of(shells)
    assert result.base is not None
    assert result.prior is not None
    assert result.base.label_map.classes == result.label_map.classes
    assert len(result.prior) == len(result.probabilities) == len(result.base.probabilities) == 4
    np.testing.assert_allclose(result.prior.sum(0)[result.mask], 1, atol=1e-5)
    shells.merge(2, 4)
    rest(shells)
    assert len(result_of(shells).label_map.classes) == 3
    shells.keep_as("edited")
    shells.rename(2, "Grey")
    base = result_of(shells).base
    assert base is not None
    assert base.label_map.classes[1].name == "Grey"


def test_states_before_and_after_another_weight_share_what_they_start_from(slow: Gate, shells: Session):
    shells.run()
    until(shells, slow, "Blind-spot prior")
    log = shells._run.log
    for weight in (0.3, 0.4, 0.5):
        shells.retune(hidden_share=weight)
        slow.advance(shells, 3)
    assert len(log.states) > 2
    assert len({id(array) for state in log.states.values() for array in state.start.values()}) == len(
        next(iter(log.states.values())).start
    )
