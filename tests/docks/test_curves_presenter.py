"""What the Curves dock draws of a session."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.docks.histogram_sessions import GivenFit, make_result, make_volume, run_session

from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.curves import presenter as curves
from napari_gmmseg.docks.curves.presenter import CurvesPresenter
from napari_gmmseg.docks.curves.shown import Picture
from napari_gmmseg.session import Session
from napari_gmmseg.session.jobs import cancel_all
from napari_gmmseg.volumes import FitReport


class FakeView:
    def __init__(self) -> None:
        self.picture = Picture()
        self.channels: tuple[list[str], int] = ([], 0)
        self.messages: list[Message] = []
        self.colours: PlotColours | None = None
        self.asked = 0
        self.polling = False

    def show_picture(self, picture: Picture) -> None:
        self.picture = picture

    def show_channels(self, names: Sequence[str], chosen: int) -> None:
        self.channels = (list(names), chosen)

    def show_messages(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)

    def show_colours(self, colours: PlotColours) -> None:
        self.colours = colours

    def refresh_soon(self) -> None:
        self.asked += 1

    def start_polling(self) -> None:
        self.polling = True

    def stop_polling(self) -> None:
        self.polling = False


class Case:
    def __init__(self, session: Session) -> None:
        self.session, self.viewer, self.view = session, ViewerModel(), FakeView()
        self.presenter = CurvesPresenter(self.viewer, session, self.view)
        self.presenter.refresh()

    @property
    def panels(self) -> list[str]:
        return [panel.key for panel in self.view.picture.panels]


@pytest.fixture(autouse=True)
def no_thread_left() -> Generator[None]:
    yield
    assert cancel_all(timeout=10), "a fit outlived its test"


def reports(n: int, n_channels: int = 1) -> list[FitReport]:
    result = make_result(make_volume(n_channels))
    return [
        FitReport(
            "Fit",
            step,
            n,
            log_likelihood=-4.0 + 1 / step,
            terms={"loss": 1 / step, "learning rate": 0.01},
            mixture=result.mixture,
            classes=result.label_map.classes,
        )
        for step in range(1, n + 1)
    ]


def test_an_empty_session_says_what_to_do():
    case = Case(Session())
    assert case.view.messages == [curves.NOTHING]
    assert case.panels == []


def test_a_run_is_drawn_with_all_that_it_told(monkeypatch):
    case = Case(run_session(monkeypatch, GivenFit(reports(3))))
    assert case.panels == ["nll", "term", "learning_rate", "weight", "mean"]
    nll = case.view.picture.panels[0].lines[0]
    assert nll.values[:3] == pytest.approx([3.0, 3.5, 4 - 1 / 3])
    assert case.view.messages == []


def test_classes_are_drawn_in_their_colours(monkeypatch):
    session = run_session(monkeypatch, GivenFit(reports(3)))
    session.recolour(2, (0.1, 0.2, 0.3))
    weights = Case(session).view.picture.panels[3]
    assert session.classes is not None
    assert [line.colour for line in weights.lines] == [tissue.colour for tissue in session.classes]
    assert weights.lines[1].colour == (0.1, 0.2, 0.3)


def test_what_comes_in_mid_run_is_added(monkeypatch):
    fit = GivenFit(reports(3), waits=True)
    session = run_session(monkeypatch, fit)
    case = Case(session)
    assert case.view.polling
    fit.gate.set()
    assert session.job is not None
    assert session.job.join(10)
    session.poll()
    case.presenter.refresh()
    assert case.view.picture.n_steps == len(session.trail) >= 4
    assert not case.view.polling


def test_a_run_without_a_step_says_so(monkeypatch):
    fit = GivenFit([FitReport("Reading", 0, 0)], waits=True)
    session = run_session(monkeypatch, fit)
    monkeypatch.setattr(type(session), "trail", ())
    case = Case(session)
    assert case.view.messages == [curves.FIRST_STEP]
    fit.gate.set()
    session.close()


def test_pauses_and_retunings_are_marked_where_they_were(monkeypatch):
    session = run_session(monkeypatch, GivenFit(reports(5)))
    monkeypatch.setattr(type(session), "marks", ((2, "Pause"), (4, "Classes: 3 → 4")))
    marks = Case(session).view.picture.marks
    assert [(m.step, m.words, m.kind) for m in marks if m.kind != "phase"] == [
        (2.5, "Pause", "paused"),
        (4.5, "Classes: 3 → 4", "retuned"),
    ]


def test_a_new_phase_is_marked(monkeypatch):
    session = run_session(monkeypatch, GivenFit(reports(3)))
    phases = [m for m in Case(session).view.picture.marks if m.kind == "phase"]
    assert [(m.step, m.words) for m in phases] == [(3.5, "Test")]


def test_steps_that_undo_took_back_are_drawn_no_more(monkeypatch):
    session = run_session(monkeypatch, GivenFit(reports(5)))
    case = Case(session)
    other = [replace(report, log_likelihood=-9.0) for report in reports(4)]
    monkeypatch.setattr(type(session), "trail", (*session.trail[:2], *other[2:]))
    case.presenter.refresh()
    assert case.view.picture.n_steps == 4
    assert case.view.picture.panels[0].lines[0].values.tolist() == pytest.approx([3.0, 3.5, 9.0, 9.0])


def test_a_result_without_a_run_is_drawn_from_its_record(monkeypatch):
    session = run_session(monkeypatch, GivenFit(reports(3)))
    monkeypatch.setattr(type(session), "job", None)
    monkeypatch.setattr(type(session), "trail", ())
    case = Case(session)
    assert case.panels == ["nll", "term", "learning_rate"]
    assert case.view.messages == [curves.NO_GAUSSIANS]


def test_means_are_drawn_in_the_channel_that_is_chosen(monkeypatch):
    case = Case(run_session(monkeypatch, GivenFit(reports(3, 2)), n_channels=2))
    assert case.view.channels == (["T1", "T2"], 0)
    case.presenter.choose_channel(1)
    case.presenter.refresh()
    means = case.view.picture.panels[-1]
    assert means.title == "Class means, T2"
    assert [line.values[0] for line in means.lines] == [90.0, 60.0, 30.0]


def test_nothing_is_drawn_anew_where_nothing_is_new(monkeypatch):
    case = Case(run_session(monkeypatch, GivenFit(reports(3))))
    before = case.view.picture
    case.presenter.refresh()
    assert case.view.picture is before


def test_colours_go_with_the_theme(monkeypatch):
    case = Case(Session())
    case.viewer.theme = "light"
    assert case.view.colours is not None
    assert not case.view.colours.dark


def test_nothing_listens_after_the_end(monkeypatch):
    case = Case(run_session(monkeypatch, GivenFit(reports(3))))
    case.presenter.shut_down()
    asked = case.view.asked
    case.viewer.theme = "light"
    case.session.lock(1, True)
    assert case.view.asked == asked


def test_a_long_run_is_drawn_with_a_bounded_number_of_points(monkeypatch):
    session = run_session(monkeypatch, GivenFit(reports(3)))
    many = [replace(report, step=i + 1) for i, report in enumerate(reports(3) * 3000)]
    monkeypatch.setattr(type(session), "trail", tuple(many))
    panels = Case(session).view.picture.panels
    assert max(len(line.values) for panel in panels for line in panel.lines) <= 512
    assert np.nanmax(panels[0].lines[0].values) == pytest.approx(4 - 1 / 3)
