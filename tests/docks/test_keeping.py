"""Undo and redo in words, keys, and results that are kept and compared; no window."""

from __future__ import annotations

import numpy as np
import pytest
from tests.docks.conftest import FakeView, add_image, labels_layers, start

from napari_gmmseg.docks.common.keys import KEYS
from napari_gmmseg.docks.segment.presenter import SegmentPresenter
from napari_gmmseg.quality import evaluate
from napari_gmmseg.session.comparing import agreement
from napari_gmmseg.session.suggesting import Suggestion


@pytest.fixture
def done(dock):
    """A dock after a run of three classes."""
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    return dock


def press(dock, pressed: str) -> None:
    (action,) = [a for key, a in dock.viewer.keymap.items() if str(key) == str(pressed)]
    action(dock.viewer)


def four_classes(dock) -> None:
    dock.presenter.choose(n_classes=4)
    dock.finish()


def test_undo_and_redo_say_what_they_would_do(done):
    assert done.view.history == ("Segmentation", None)
    four_classes(done)
    assert "3 → 4" in done.view.history[0]
    done.presenter.undo()
    assert "3 → 4" in done.view.history[1]


def test_undo_puts_the_result_and_the_slider_back_and_redo_again(done):
    (layer,) = labels_layers(done)
    four_classes(done)
    press(done, "Shift+Z")
    done.finish()
    assert set(np.unique(layer.data)) == {1, 2, 3}
    assert done.view.choices.n_classes == 3
    press(done, "Shift+Y")
    done.finish()
    assert set(np.unique(layer.data)) == {1, 2, 3, 4}
    assert done.view.choices.n_classes == 4


def test_undoing_the_run_itself_takes_its_layer_away_and_redo_brings_it_back(done):
    done.presenter.undo()
    done.finish()
    assert labels_layers(done) == []
    assert not done.view.controls.save
    done.presenter.redo()
    done.finish()
    assert set(np.unique(labels_layers(done)[0].data)) == {1, 2, 3}
    assert done.view.controls.save


def test_the_keys_are_the_dock_s_as_long_as_it_is_there(done):
    assert all(key.pressed.startswith("Shift-") and len(key.pressed) == 7 for key in KEYS)
    before = len(done.viewer.keymap)
    done.presenter.shut_down()
    assert len(done.viewer.keymap) == before - len(KEYS)


def test_two_viewers_have_two_sessions(dock):
    other = SegmentPresenter(type(dock.viewer)(), FakeView())
    assert other.session is not dock.session
    other.shut_down()


def test_a_kept_result_is_listed_with_volumes_and_its_dice_with_the_current(done):
    done.presenter.keeping.keep("")
    done.poll_until(lambda: bool(done.view.kept))
    assert [(row.name, row.amounts, row.dice) for row in done.view.kept] == [
        ("3 classes", "0.1 · 0.1 · 0.1 ml", "1.000")
    ]
    four_classes(done)
    done.poll_until(lambda: done.view.kept[0].dice != "1.000")
    done.presenter.keeping.keep("")
    done.poll_until(lambda: len(done.view.kept) == 2)
    assert done.view.kept[1].name == "4 classes"


def test_one_selected_is_compared_with_the_current_result_and_two_with_each_other(done):
    done.presenter.keeping.keep("first")
    four_classes(done)
    done.presenter.keeping.keep("second")
    done.presenter.keeping.select(("first",))
    done.poll_until(lambda: "the current result" in done.view.agreement[0])
    assert len(done.view.agreement[1]) == 4
    done.presenter.keeping.select(("first", "second"))
    done.poll_until(lambda: "B is 'second'" in done.view.agreement[0])
    done.presenter.keeping.drop("first")
    done.presenter.keeping.drop("second")
    assert (done.view.kept, done.view.agreement) == ((), ("", ()))


def test_the_dice_is_that_of_the_evaluation(done):
    first = done.session.result.label_map
    four_classes(done)
    second = done.session.result.label_map
    expected = {c.value: c.dice for c in evaluate(first, second).classes}
    assert {c.tissue.value: c.dice for c in agreement(first, second).classes} == pytest.approx(expected)


def test_the_key_blinks_between_the_kept_and_the_current_result(done):
    done.presenter.keeping.keep("first")
    four_classes(done)
    current = done.presenter.result_layer()
    shown = current.data.copy()
    press(done, "Shift+B")
    kept = next(layer for layer in labels_layers(done) if layer is not current)
    assert (kept.visible, current.visible, kept.editable) == (True, False, False)
    assert set(np.unique(kept.data)) == {1, 2, 3}
    press(done, "Shift+B")
    assert (kept.visible, current.visible) == (False, True)
    assert np.array_equal(current.data, shown)
    press(done, "Shift+B")
    assert len(labels_layers(done)) == 2


def test_there_is_nothing_to_blink_or_keep_without_a_result(dock):
    dock.presenter.keeping.blink()
    assert "No result is kept" in dock.view.messages[0].text
    dock.presenter.keeping.keep("x")
    assert "nothing to keep" in dock.view.messages[0].text


def test_the_number_that_is_suggested_stands_beside_the_slider_after_a_run(done):
    done.poll_until(lambda: "(least BIC of 2 to 7)" in done.view.suggestion)
    four_classes(done)
    done.poll_until(lambda: "(least BIC of 2 to 7)" in done.view.suggestion)
    done.presenter.choose(n_classes=5)
    done.poll_until(lambda: done.session.running)
    done.finish()


def test_all_that_is_suggested_or_warned_of_is_shown_until_the_next_run(dock, monkeypatch):
    told = ("Four classes.", "Class 1 and Class 2 are nearly alike.", "Class 3 has only 0.4 % of the mask.")
    monkeypatch.setattr("napari_gmmseg.docks.segment.advice.suggest", lambda *_: Suggestion(4, told))
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    assert dock.view.suggestion == " ".join(told)
    start(dock)
    assert dock.view.suggestion == ""
    dock.presenter.cancel()
    dock.finish()


def test_memory_is_told_before_a_run_and_more_for_more(dock):
    assert dock.view.memory == ""
    add_image(dock.viewer)
    small = dock.view.memory
    assert small.startswith("Needs about ")
    assert "free" in small
    dock.presenter.choose(method="advanced", advanced={"method": "blindspot", "width": 32, "device": "cpu"})
    assert dock.view.memory.startswith("Needs about ")
    assert dock.view.memory != small


def test_undo_tells_what_it_holds_and_may_hold(done):
    four_classes(done)
    assert "Holds " in done.view.held
    assert "1.0 GB at most" in done.view.held
