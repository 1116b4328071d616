"""What a run tells whoever asks now and then, while its thread goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from napari_gmmseg.config import FitConfig
from napari_gmmseg.session.jobs import FitGenerator
from napari_gmmseg.session.logbook import Logbook
from napari_gmmseg.session.run_log import Resumption, RunLog
from napari_gmmseg.session.running import Run
from napari_gmmseg.session.situation import Situation
from napari_gmmseg.volumes import FitReport, FitState, SaveState, Split

STATE = FitState({}, {}, "none-0", {})


def report(step: int, state: FitState | None = None) -> FitReport:
    return FitReport("Testing", step, 10, state=state)


def _never(_: FitState | None) -> FitGenerator:
    raise AssertionError("the run was not started")


@pytest.fixture
def run() -> Run:
    log = RunLog(FitConfig(), None, Situation(FitConfig()), object())
    return Run(_never, Resumption(log), None)


class Interrupted(Logbook):
    """Its other thread does a lot between two things that are taken from it, once."""

    def __init__(self, meanwhile: Callable[[Logbook], object]) -> None:
        super().__init__()
        self._meanwhile: Callable[[Logbook], object] | None = meanwhile

    def take_told(self):
        return self._then(super().take_told())

    def take_notes(self):
        return self._then(super().take_notes())

    def _then(self, taken):
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile(self)
        return taken


def test_no_state_is_taken_without_what_the_fit_had_heard_before_it(run: Run) -> None:
    def steps(book: Logbook) -> None:
        book.write_told(Split(1))
        book.write(report(2), Split(1))
        book.write(report(3, STATE), SaveState())

    run.job.logbook = Interrupted(steps)
    run.job.logbook.write(report(1), None)
    heard: list[int] = []
    for news in (run.take(), run.take()):
        heard += [told.after for told in news.told]
        if any(note.report.state is not None for note in news.notes):
            assert heard == [1]
    assert heard == [1]
    assert list(run.log.states) == [3]
