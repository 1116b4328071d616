"""Keys that several docks share: whoever closes leaves them to the others."""

from __future__ import annotations

import gc
import weakref

import pytest
from napari.components import ViewerModel
from tests.docks.conftest import FakeView
from tests.docks.scribbling import FakeScribbleView

from napari_gmmseg.docks.common.keys import REDO, UNDO, BoundKeys
from napari_gmmseg.docks.scribble.presenter import KEYS, ScribblePresenter
from napari_gmmseg.docks.segment.presenter import SegmentPresenter


def bound(viewer: ViewerModel) -> dict[str, object]:
    return {str(key): action for key, action in viewer.keymap.items()}


def press(viewer: ViewerModel, key: str) -> None:
    bound(viewer)[key](viewer)


@pytest.mark.parametrize("first_goes", [True, False])
def test_who_stays_keeps_a_key_that_both_had(first_goes):
    viewer, said = ViewerModel(), []
    docks = [
        BoundKeys(viewer, (UNDO, REDO), {"undo": lambda n=n: said.append(n), "redo": lambda: None}) for n in range(2)
    ]
    press(viewer, "Shift+Z")
    assert said == [1]
    docks[0 if first_goes else 1].release()
    press(viewer, "Shift+Z")
    assert said == [1, 1 if first_goes else 0]
    docks[1 if first_goes else 0].release()
    assert not bound(viewer)
    docks[0].release()


def test_closing_a_dock_leaves_undo_and_redo_to_the_other():
    viewer = ViewerModel()
    segment = SegmentPresenter(viewer, FakeView())
    scribble = ScribblePresenter(viewer, FakeScribbleView())
    segment.shut_down()
    assert {key.shown for key in KEYS} <= set(bound(viewer))
    segment = SegmentPresenter(viewer, FakeView())
    scribble.shut_down()
    assert {"Shift+Z", "Shift+Y", "Shift+B"} == set(bound(viewer))
    segment.shut_down()
    assert not bound(viewer)


def test_keys_that_nobody_released_keep_no_viewer_alive():
    viewer = ViewerModel()
    gone = weakref.ref(viewer)
    BoundKeys(viewer, (UNDO,), {"undo": viewer.reset_view})
    del viewer
    gc.collect()
    assert gone() is None


def test_each_viewer_has_keys_of_its_own():
    first, second = ViewerModel(), ViewerModel()
    mine = BoundKeys(first, (UNDO,), {"undo": lambda: None})
    theirs = BoundKeys(second, (UNDO,), {"undo": lambda: None})
    mine.release()
    assert not bound(first)
    assert set(bound(second)) == {"Shift+Z"}
    theirs.release()
