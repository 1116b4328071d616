"""What a training network can be told: to stop, and where a person looks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.config.recipes import RECIPES
from napari_gmmseg.fitting.deep import predictions
from napari_gmmseg.volumes import Look, Stop

SPATIAL, WARM = "Spatial mixture", "Network learns the spatial mixture"
NETWORK = {"auto": "Blind-spot prior", "blindspot": "Blind-spot prior", "deepsvg": "deepSVG", "deepg": "deepG"}
FEW = {"warm_steps": 4, "max_steps": 60, "width": 4, "depth": 2}

every_method = pytest.mark.parametrize("method", NETWORK)


@pytest.fixture
def stopped_at(squares, begin, finish):
    """Stop a fit of the squares after a step of a phase."""
    image, truth = squares

    def run(phase, step=1, **settings):
        steps = begin(image, truth > 0, spacing=None, preset="custom", **{**FEW, **settings})
        report = next(steps)
        while (report.phase, report.step) != (phase, step):
            report = next(steps)
        return finish(steps, Stop())

    return run


@every_method
def test_a_stop_in_the_spatial_phase_returns_its_best_so_far(squares, segment, stopped_at, method) -> None:
    image, truth = squares
    result = stopped_at(SPATIAL, 2, method=method)
    assert (result.method, result.stopped, result.steps) == ("spatial", True, 2)
    assert result.prior is None
    assert result.base is None
    limited = segment(image, truth > 0, spacing=None, preset="custom", method="spatial", max_steps=2)
    assert (result.label_map.labels == limited.label_map.labels).all()


@every_method
def test_a_stop_in_the_warm_up_returns_the_spatial_mixture(squares, segment, stopped_at, method) -> None:
    image, truth = squares
    result = stopped_at(WARM, 3, method=method)
    assert (result.method, result.stopped) == ("spatial", True)
    assert result.prior is None
    whole = segment(image, truth > 0, spacing=None, preset="custom", method="spatial")
    assert result.probabilities.tobytes() == whole.probabilities.tobytes()
    assert "stopped-early" in {finding.code for finding in result.findings}


@every_method
def test_a_stop_in_the_network_phase_returns_what_the_network_knows(stopped_at, method) -> None:
    result = stopped_at(NETWORK[method], 30, method=method)
    assert result.method == ("blindspot" if method == "auto" else method)
    assert result.stopped
    assert result.steps == 30
    assert (result.base is not None) is (method == "auto")
    if result.base is not None:
        assert not result.base.stopped
    assert "stopped-early" in {finding.code for finding in result.findings}


def test_a_network_stopped_after_a_step_is_that_of_so_many_steps(squares, segment, stopped_at) -> None:
    """At one learning rate, and without mirroring by a schedule: the paper's recipe."""
    image, truth = squares
    paper = {"method": "deepsvg", "recipe": "code", "warm_steps": 0}
    stopped = stopped_at("deepSVG", 7, **paper)
    limited = segment(image, truth > 0, spacing=None, preset="custom", **{**FEW, **paper, "max_steps": 7})
    np.testing.assert_allclose(stopped.prior, limited.prior, atol=1e-6)


def test_a_network_that_began_at_random_is_not_returned_before_it_has_learnt(stopped_at) -> None:
    """The pull of the mean prior needs the spatial mixture, so there is something better to return."""
    how = {"method": "deepsvg", "warm_steps": 0, "gradient": "full", "means": "free", "mean_weight": 10.0}
    assert stopped_at("deepSVG", 1, **how).method == "spatial"
    assert stopped_at("deepSVG", 19, **how).method == "spatial"
    assert stopped_at("deepSVG", 20, **how).method == "deepsvg"


def test_a_network_without_a_start_is_returned_from_its_first_step_on(stopped_at) -> None:
    result = stopped_at("deepSVG", 1, method="deepsvg", recipe="paper", warm_steps=0)
    assert (result.method, result.stopped, result.steps) == ("deepsvg", True, 1)


@pytest.fixture
def watched(balls, begin, monkeypatch):
    """Begin a fit of the balls by slices, whose previews come when a look asks for them."""
    monkeypatch.setattr(predictions, "_PREVIEW_INTERVAL", float("inf"))
    image, truth = balls

    def run(**how):
        return begin(image, truth > 0, preset="custom", view="2d", method="blindspot", **{**FEW, **how})

    return run


def steps_to(steps, phase, step):
    """Run a fit to a step; return the preview of the spatial mixture, and those since."""
    spatial, since = None, []
    while True:
        report = next(steps)
        if report.preview is not None:
            if report.phase == SPATIAL:
                spatial = report.preview
            else:
                since.append(report.preview)
        if (report.phase, report.step) == (phase, step):
            return spatial, since


def changed_slices(before, after):
    return set(np.nonzero((before != after).any((1, 2)))[0].tolist())


@pytest.mark.parametrize("z", [3, 4, 6])
def test_a_look_brings_that_slice_with_the_next_step(watched, z) -> None:
    steps = watched()
    spatial, since = steps_to(steps, "Blind-spot prior", 30)
    assert not since
    preview = steps.send(Look(z)).preview
    assert changed_slices(spatial, preview) == {z}
    assert next(steps).preview is None
    second = steps.send(Look(5)).preview
    assert changed_slices(preview, second) == {5}


def test_until_the_network_has_learnt_a_look_shows_the_spatial_mixture(watched) -> None:
    steps = watched()
    steps_to(steps, WARM, 2)
    assert steps.send(Look(4)).preview is None


def test_a_look_told_in_the_spatial_phase_is_not_lost(watched, monkeypatch) -> None:
    steps = watched(look=6)
    next(steps)
    steps.send(Look(4))
    spatial, _ = steps_to(steps, "Blind-spot prior", FEW["warm_steps"] + RECIPES["blindspot", "tuned"].unseen_steps)
    preview = next(steps).preview
    assert changed_slices(spatial, preview) == {4}


@pytest.mark.parametrize(("look", "shown"), [(3, 3), (6, 6), (None, 5), (0, 5), (99, 5), (-4, 5)])
def test_the_slice_looked_at_from_the_start_is_shown_first_else_the_middle_one(
    watched, monkeypatch, look, shown
) -> None:
    monkeypatch.setattr(predictions, "_PREVIEW_INTERVAL", 0.0)
    steps = watched(look=look)
    spatial, since = steps_to(steps, "Blind-spot prior", 25)
    assert changed_slices(spatial, since[0]) == {shown}


def test_where_a_person_looks_changes_no_bit_of_the_result(watched, finish) -> None:
    plain = finish(watched())
    steps, slices = watched(look=3), [4, 99, 6, -1, 5]
    report = next(steps)
    while (report.phase, report.step) != ("Blind-spot prior", 50):
        report = steps.send(Look(slices[report.step % 5]))
    looked = finish(steps)
    assert looked.probabilities.tobytes() == plain.probabilities.tobytes()
    assert looked.prior.tobytes() == plain.prior.tobytes()
    assert [report.terms for report in looked.history] == [report.terms for report in plain.history]


@pytest.mark.parametrize("how", [{"spacing": (1.0, 1.0, 4.0)}, {"view": "3d"}])
def test_a_look_at_what_is_not_cut_along_z_ends_nothing(balls, begin, finish, how) -> None:
    image, truth = balls
    steps = begin(image, truth > 0, preset="custom", method="blindspot", **FEW, **how)
    next(steps)
    report = steps.send(Look(4))
    while report.step < 30:
        report = steps.send(Look(4))
    assert report.preview is not None
    assert finish(steps).method == "blindspot"
