"""Class names, merged classes and another image's network, in a session that fine-tunes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import pytest
from tests.session.scribble_making import BRIGHT, DARK, await_answer, halves_request, stroke

from napari_gmmseg.session import Session
from napari_gmmseg.volumes import Volume


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


def test_a_class_that_was_merged_does_not_come_back_with_the_next_fine_tuning(tuned):
    tuned.add_class()
    third = tuned.scribbles.classes.values[-1]
    tuned.scribble(stroke(third, 9))
    await_answer(tuned)
    tune(tuned)
    assert tuned.situation.weights.classes.values == (DARK, BRIGHT, third)
    tuned.merge(BRIGHT, third)
    await_answer(tuned)
    told = []
    tuned.refused.connect(told.append)
    tune(tuned)
    assert tuned.result.label_map.classes.values == (DARK, BRIGHT)
    assert tuned.situation.weights.classes.values == (DARK, BRIGHT)
    assert [finding.code for finding in told] == ["network-anew"]
    assert "Class 3" in told[0].message


def test_a_model_that_nobody_accepted_has_no_part_in_a_fine_tuning(tuned):
    tuned.open(halves_request())
    paint(tuned)
    tune(tuned)
    assert tuned.situation.weights.cases == 1
    assert not tuned.result.provenance["carried"]


def test_an_accepted_model_is_what_the_next_fine_tuning_goes_on_from(tuned):
    tuned.open(halves_request())
    tuned.try_carried()
    await_answer(tuned)
    tuned.accept_carried()
    paint(tuned)
    tune(tuned)
    assert tuned.situation.weights.cases == 2
    assert tuned.result.provenance["carried"]


def test_a_model_of_other_channels_is_not_offered_and_hinders_nothing(tuned):
    request = halves_request()
    both = np.concatenate([request.volume.data, request.volume.data])
    tuned.open(replace(request, volume=Volume.from_array(both, (1, 1, 1))))
    assert tuned.carried is None
    tuned.try_carried()
    assert tuned.tuning is None
    paint(tuned)
    tune(tuned)
    assert tuned.result.method == "finetuned"
