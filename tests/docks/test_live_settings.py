"""The number of classes and other settings act at once: on a run that is alive, and on its result; no window."""

from __future__ import annotations

import numpy as np
from tests.docks.conftest import add_image, labels_layers, start

from napari_gmmseg.volumes import Retune


def retunes(dock) -> list[dict]:
    return [dict(c.settings) for c in dock.fit.heard if isinstance(c, Retune)]


def running_with_a_table(dock) -> None:
    add_image(dock.viewer)
    start(dock)
    dock.step_until(lambda: dock.session.mixture is not None)


def test_moving_the_slider_in_mid_run_tells_the_fit_and_starts_no_other(dock):
    running_with_a_table(dock)
    dock.presenter.choose(n_classes=5)
    dock.step_until(lambda: retunes(dock) == [{"n_classes": 5}])
    assert dock.view.choices.n_classes == 5
    dock.finish()
    assert len(dock.fits) == 1
    assert len(dock.view.rows) == 5


def test_a_class_more_keeps_names_and_colours_of_the_others(dock):
    running_with_a_table(dock)
    before = {c.value: (c.name, c.colour) for c in dock.session.classes}
    dock.presenter.choose(n_classes=4)
    dock.finish()
    after = {c.value: (c.name, c.colour) for c in dock.session.classes}
    assert before.items() <= after.items()
    (layer,) = labels_layers(dock)
    assert list(layer.features["class"])[1:4] == [name for name, _ in before.values()]


def test_what_is_refused_is_a_sentence_with_what_to_do_and_the_slider_goes_back(dock):
    dock.n_steps = 60
    running_with_a_table(dock)
    for value in (1, 2, 3):
        dock.session.lock(value, True)
    dock.presenter.choose(n_classes=2)
    dock.step_until(lambda: bool(dock.view.messages))
    assert "named or locked" in dock.view.messages[0].text
    assert "merged" in dock.view.messages[0].hint
    dock.step_until(lambda: dock.view.choices.n_classes == 3)
    dock.finish()
    assert len(dock.view.rows) == 3


def test_a_result_goes_on_from_where_it_is_in_its_own_layer(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    (layer,) = labels_layers(dock)
    first = dock.session.result
    dock.presenter.choose(n_classes=4)
    dock.finish()
    assert dock.fit.request.start is first
    assert labels_layers(dock) == [layer]
    assert set(np.unique(layer.data)) == {1, 2, 3, 4}
    assert len(dock.view.rows) == 4


def test_previews_of_what_goes_on_are_no_paint(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    (layer,) = labels_layers(dock)
    dock.presenter.choose(n_classes=4)
    dock.step_until(lambda: set(np.unique(layer.data)) == {1, 2, 3, 4})
    dock.finish()
    assert labels_layers(dock) == [layer]
    assert dock.view.messages == []


def test_with_another_question_the_slider_waits_for_run(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    dock.presenter.choose(mask="none")
    dock.presenter.choose(n_classes=4)
    assert len(dock.fits) == 1
    assert not dock.presenter.running


def test_paint_stays_in_a_layer_of_its_own_when_the_result_goes_on(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    (painted,) = labels_layers(dock)
    painted.data_setitem((np.array([0]), np.array([0]), np.array([0])), 3)
    kept = painted.data.copy()
    dock.presenter.choose(n_classes=4)
    dock.finish()
    assert np.array_equal(painted.data, kept)
    assert not painted.visible
    assert "You had painted" in dock.view.messages[0].text
    assert len(labels_layers(dock)) == 2


def test_a_patch_acts_during_a_run_and_only_then(dock):
    dock.presenter.choose(method="advanced", advanced={"method": "auto", "tolerance": 1e-4, "max_steps": 50})
    running_with_a_table(dock)
    dock.presenter.choose(advanced={**dock.presenter.choices.advanced, "max_steps": 60})
    dock.step_until(lambda: retunes(dock) == [{"max_steps": 60}])
    dock.finish()
    dock.presenter.choose(advanced={**dock.presenter.choices.advanced, "max_steps": 70})
    assert not dock.presenter.running
    assert len(dock.fits) == 1


def test_cancelling_what_went_on_shows_the_result_again(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    (layer,) = labels_layers(dock)
    before = layer.data.copy()
    dock.presenter.choose(n_classes=4)
    dock.step_until(lambda: set(np.unique(layer.data)) == {1, 2, 3, 4})
    dock.presenter.cancel()
    dock.finish()
    assert np.array_equal(layer.data, before)
    assert layer.editable
    assert dock.view.choices.n_classes == 3
    assert len(dock.view.rows) == 3


def test_run_again_on_the_same_image_keeps_what_was_kept(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    dock.presenter.keeping.keep("first")
    start(dock)
    dock.finish()
    assert [kept.name for kept in dock.session.kept] == ["first"]


def test_another_image_begins_a_session_anew(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    dock.presenter.keeping.keep("first")
    add_image(dock.viewer, "next", seed=1)
    start(dock)
    dock.finish()
    assert dock.session.kept == ()
