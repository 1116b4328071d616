"""Forms made of settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import pytest
from pydantic import Field
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QSpinBox

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.outlier import FitOutlierSettings
from napari_gmmseg.docks.common.settings import describe_settings, make_settings, parse_numbers
from napari_gmmseg.docks.common.settings_form import SettingsForm
from napari_gmmseg.docks.segment.advanced import ADVANCED, HEADINGS
from napari_gmmseg.errors import SettingsError


@pytest.fixture
def form(qtbot) -> SettingsForm:
    made = SettingsForm(describe_settings(FitConfig, ADVANCED), "test", HEADINGS)
    qtbot.addWidget(made)
    return made


def shown(form: SettingsForm) -> set[str]:
    return {name for name in ADVANCED if not form.findChild(object, f"test_{name}").isHidden()}


def headings(form: SettingsForm) -> list[str]:
    return [label.text() for label in form.findChildren(QLabel) if label.font().bold() and not label.isHidden()]


def test_bounds_titles_and_tips_come_from_the_fields():
    by_name = {s.name: s for s in describe_settings(FitConfig, ADVANCED)}
    assert by_name["method"].choices == ("auto", "gmm", "svgmm", "spatial", "deepg", "deepsvg", "blindspot")
    assert (by_name["max_steps"].low, by_name["max_steps"].high) == (1, 10000)
    assert by_name["threads"].may_be_empty
    assert by_name["refine"].kind == "flag"
    assert (by_name["gradient"].kind, by_name["gradient"].may_be_empty) == ("choice", True)
    assert all(s.title and s.tip for s in by_name.values())


def test_open_bounds_hold_for_numbers_and_are_the_next_whole_one():
    (share,) = describe_settings(FitConfig, ["hidden_share"])
    assert (share.low, share.high, share.is_open) == (0, 1, True)
    (seed,) = describe_settings(FitConfig, ["seed"])
    assert (seed.high, seed.is_open) == (2**63 - 1, False)


def test_every_field_is_in_the_form_or_beside_it():
    of_the_outlier_dock = {field.name for field in fields(FitOutlierSettings)}
    elsewhere = {"n_classes", "initial_means"} | of_the_outlier_dock
    assert set(ADVANCED) | elsewhere == set(FitConfig.__pydantic_fields__)


def test_an_untouched_form_gives_the_defaults(form):
    assert make_settings(FitConfig, form.values()) == FitConfig()


def test_values_go_in_and_come_out(form):
    wanted = {
        "method": "gmm",
        "gaussians_per_class": (2, 1, 1),
        "neighbour_weight": 0.6,
        "neighbourhood": 26,
        "tolerance": 1e-6,
        "seed": 5,
        "threads": 2,
        "device": "cpu",
        "refine": False,
        "gradient": "detached",
        "learning_rate": 0.004,
        "mean_weight": 2.5,
        "hidden_share": 0.3,
        "smoothness": 0.5,
        "view": "3d",
    }
    form.set_values(wanted)
    values = form.values()
    assert {name: values[name] for name in wanted} == wanted


def test_what_may_be_empty_can_be_emptied_again(form):
    names = {s.name for s in describe_settings(FitConfig, ADVANCED) if s.may_be_empty}
    form.set_values({"gradient": "full", "means": "fixed", "learning_rate": 0.1, "width": 4, "smoothness": 2.0})
    form.set_values(dict.fromkeys(names))
    assert {form.values()[name] for name in names} == {None}


def test_a_change_by_hand_is_told_and_one_by_the_program_is_not(form, qtbot):
    tick = form.findChild(QCheckBox, "test_refine")
    with qtbot.waitSignal(form.changed, timeout=1000):
        tick.click()
    assert form.values()["refine"] is False
    with qtbot.assertNotEmitted(form.changed, wait=50):
        form.set_values({"refine": True, "gradient": "full", "seed": 3})


def test_rows_that_do_not_matter_are_hidden_with_their_heading_and_keep_their_values(form):
    form.set_values({"warm_steps": 7})
    form.show_only({"method", "seed"})
    assert shown(form) == {"method", "seed"}
    assert headings(form) == ["Computing"]
    form.show_only({"method", "warm_steps", "seed"})
    assert headings(form) == ["Network", "Computing"]
    assert form.values(["warm_steps"]) == {"warm_steps": 7}


def test_an_empty_input_says_what_it_stands_for(form):
    form.show_empty({"width": "8", "gradient": "detached", "learning_rate": "0.004"})
    assert form.findChild(QSpinBox, "test_width").text() == "auto (8)"
    assert form.findChild(QComboBox, "test_gradient").currentText() == "auto (detached)"
    assert form.findChild(QLineEdit, "test_learning_rate").placeholderText() == "auto (0.004)"
    assert form.findChild(QSpinBox, "test_threads").text() == "auto"
    form.show_empty({})
    assert form.findChild(QSpinBox, "test_width").text() == "auto"
    assert form.values()["gradient"] is None


def test_numbers_go_as_they_are_where_steps_would_be_too_coarse(qtbot):
    @dataclass
    class Small:
        rate: Annotated[float, Field(gt=0, le=1, title="Rate", description="Small.")] = 0.004

    from pydantic.dataclasses import dataclass as checked

    form = SettingsForm(describe_settings(checked(Small), ["rate"]), "small")
    qtbot.addWidget(form)
    assert form.values() == {"rate": 0.004}


def test_values_beyond_the_bounds_are_told_by_title():
    with pytest.raises(SettingsError, match="Starts cannot be 0"):
        make_settings(FitConfig, {"n_starts": 0})


def test_words_are_no_numbers(form):
    with pytest.raises(SettingsError, match="no row of whole numbers"):
        parse_numbers("two")
    form.set_values({"tolerance": "small"})
    with pytest.raises(SettingsError, match="Tolerance"):
        form.values()


def test_words_in_a_row_that_is_not_asked_do_not_matter(form):
    form.set_values({"tolerance": "small"})
    assert form.values(["seed"]) == {"seed": 0}
