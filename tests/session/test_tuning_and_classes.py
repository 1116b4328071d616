"""Class names, merged classes and another image's network, in a session that fine-tunes."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from tests.session.scribble_making import BRIGHT, DARK, await_answer, halves_request, stroke

from napari_gmmseg.session import Session


@pytest.fixture
def tuned() -> Generator[Session]:
    session = Session()
    session.open(halves_request())
    paint(session)
    tune(session)
    yield session
    session.close()


def paint(session: Session) -> None:
    session.scribble(stroke(DARK, 2))
    session.scribble(stroke(BRIGHT, 13))
    await_answer(session)


def tune(session: Session) -> None:
    session.finetune(steps=3)
    await_answer(session)


def names(session: Session) -> list[str]:
    return [tissue.name for tissue in session.result.label_map.classes]


def test_a_second_fine_tuning_keeps_names_and_colours_given_since_the_first(tuned):
    tuned.rename(BRIGHT, "Tumour")
    tuned.recolour(BRIGHT, (1.0, 0.0, 0.0))
    await_answer(tuned)
    tune(tuned)
    assert names(tuned) == ["Class 1", "Tumour"]
    assert tuned.result.label_map.classes.by_value(BRIGHT).colour == (1.0, 0.0, 0.0)
    assert tuned.situation.weights.classes.by_value(BRIGHT).name == "Tumour"
    assert tuned.scribbles.classes.by_value(BRIGHT).name == "Tumour"


def test_a_carried_model_names_what_has_only_a_number_and_nothing_else(tuned):
    tuned.rename(DARK, "Lesion")
    tuned.rename(BRIGHT, "Tumour")
    await_answer(tuned)
    tune(tuned)
    tuned.open(halves_request())
    paint(tuned)
    tuned.rename(DARK, "Brain")
    tuned.try_carried()
    await_answer(tuned)
    assert names(tuned) == ["Brain", "Tumour"]
    tuned.accept_carried()
    tune(tuned)
    assert names(tuned) == ["Brain", "Tumour"]
