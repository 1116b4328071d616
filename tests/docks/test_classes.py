"""What the Classes dock does; no window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.docks.conftest import add_image, labels_layers, start

from napari_gmmseg.docks.classes.lines import ClassButtons, ClassLine, intensities
from napari_gmmseg.docks.classes.presenter import ClassesPresenter
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.volumes import Finding, Merge, Mixture, Split


class FakeClassesView:
    """Remembers what it was told to show, and what is selected."""

    def __init__(self) -> None:
        self.selection: tuple[int, ...] = ()
        self.channels: Sequence[str] = ()
        self.lines: Sequence[ClassLine] = ()
        self.buttons = ClassButtons()
        self.messages: list[Message] = []

    def show_lines(self, channels: Sequence[str], lines: Sequence[ClassLine]) -> None:
        self.channels, self.lines = channels, lines

    def show_buttons(self, buttons: ClassButtons) -> None:
        self.buttons = buttons

    def show_messages(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)


class ClassesCase:
    """Both docks on one viewer."""

    def __init__(self, dock) -> None:
        self.dock, self.view = dock, FakeClassesView()
        self.presenter = ClassesPresenter(dock.viewer, self.view, session=dock.session, clock=dock._clock)

    def until(self, ready, *, step: bool = False) -> None:
        def polled() -> bool:
            self.presenter.poll()
            return ready()

        self.dock.step_until(polled) if step else self.dock.poll_until(polled)

    def names(self) -> list[str]:
        return [line.name for line in self.view.lines]


@pytest.fixture
def case(dock):
    made = ClassesCase(dock)
    yield made
    made.presenter.shut_down()


@pytest.fixture
def done(case):
    """After a run of three classes."""
    add_image(case.dock.viewer, channel="t1")
    start(case.dock)
    case.dock.finish()
    case.until(lambda: len(case.view.lines) == 3 and case.view.lines[0].amount == "0.1 ml")
    return case


def test_without_classes_it_says_where_they_come_from(case):
    assert "no classes yet" in case.view.messages[0].text
    assert case.view.lines == ()
    assert case.view.buttons == ClassButtons()


def test_each_class_has_name_colour_mean_spread_and_volume(done):
    assert done.view.channels == ["T1"]
    assert done.names() == ["Cerebrospinal fluid", "Grey matter", "White matter"]
    assert [line.intensities for line in done.view.lines] == [("0 ± 5.00",), ("50.0 ± 5.00",), ("100 ± 5.00",)]
    assert [(line.amount, line.share) for line in done.view.lines] == [("0.1 ml", "33 %")] * 3
    assert done.view.messages == []


def test_the_table_is_live_during_a_run(case):
    add_image(case.dock.viewer)
    start(case.dock)
    case.until(lambda: any(line.share == "33 %" for line in case.view.lines), step=True)
    assert case.view.lines[1].intensities == ("50.0 ± 5.00",)
    case.dock.finish()


def test_a_new_name_and_colour_go_to_the_layer_and_can_be_undone(done):
    done.presenter.rename(2, "  Cortex ")
    done.presenter.recolour(2, (1.0, 0.0, 0.0))
    done.dock.finish()
    (layer,) = labels_layers(done.dock)
    done.until(lambda: done.names()[1] == "Cortex")
    assert list(layer.features["class"])[2] == "Cortex"
    assert layer.colormap.map(np.array([2]))[0] == pytest.approx((1, 0, 0, 1))
    done.dock.presenter.undo()
    done.dock.presenter.undo()
    done.dock.finish()
    done.until(lambda: done.names()[1] == "Grey matter")
    assert list(layer.features["class"])[2] == "Grey matter"


def test_no_name_is_refused_with_a_sentence(done):
    done.presenter.rename(2, "  ")
    assert "needs a name" in done.view.messages[0].text
    assert done.names()[1] == "Grey matter"


def test_a_lock_is_shown_and_held(done):
    done.presenter.lock(2, True)
    assert [line.locked for line in done.view.lines] == [False, True, False]
    assert done.dock.session.locked == {2}


def test_merge_and_split_reach_a_run(case):
    add_image(case.dock.viewer)
    start(case.dock)
    case.until(lambda: len(case.view.lines) == 3 and bool(case.view.lines[0].intensities), step=True)
    case.view.selection = (2, 3)
    case.presenter.select()
    assert case.view.buttons.merge
    case.presenter.merge()
    case.until(lambda: len(case.view.lines) == 2, step=True)
    assert Merge(2, 3) in case.dock.fit.heard
    case.view.selection = (2,)
    case.presenter.select()
    assert (case.view.buttons.merge, case.view.buttons.split) == (False, True)
    case.presenter.split()
    case.until(lambda: len(case.view.lines) == 3, step=True)
    assert Split(2) in case.dock.fit.heard
    case.dock.finish()


def test_a_merge_of_a_result_changes_layer_table_and_slider_and_undo_brings_it_back(done):
    done.view.selection = (2, 3)
    done.presenter.merge()
    done.until(lambda: len(done.view.lines) == 2 and not done.dock.presenter.running)
    (layer,) = labels_layers(done.dock)
    assert set(np.unique(layer.data)) == {1, 2}
    assert done.dock.view.choices.n_classes == 2
    assert done.dock.view.history[0].startswith("Merge White matter into Grey matter")
    done.dock.presenter.undo()
    done.until(lambda: len(done.view.lines) == 3 and not done.dock.presenter.running)
    assert set(np.unique(layer.data)) == {1, 2, 3}
    assert done.dock.view.choices.n_classes == 3


def test_what_a_session_refuses_is_a_sentence(done):
    done.dock.session.refused.emit(Finding("refused", "It cannot be.", "Do something else."))
    assert [(m.text, m.hint) for m in done.view.messages] == [("It cannot be.", "Do something else.")]


def test_classes_of_several_gaussians_have_the_spread_of_all():
    mixture = Mixture(
        np.array([0.25, 0.25, 0.5]), np.array([[0.0], [2.0], [9.0]]), np.ones((3, 1, 1)), np.array([0, 0, 1])
    )
    assert intensities(mixture) == [["1.00 ± 1.41"], ["9.00 ± 1.00"]]


def test_a_closed_dock_listens_no_more(done):
    before = done.view.lines
    done.presenter.shut_down()
    done.dock.session.rename(2, "Cortex")
    done.presenter.poll()
    assert done.view.lines is before
