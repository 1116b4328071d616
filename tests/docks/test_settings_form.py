"""Forms made of settings."""

from __future__ import annotations

import pytest

from napari_gmmseg.config import FitConfig
from napari_gmmseg.docks.common.settings import describe_settings, make_settings, parse_numbers
from napari_gmmseg.docks.common.settings_form import SettingsForm
from napari_gmmseg.docks.segment.choices import ADVANCED
from napari_gmmseg.errors import SettingsError


def test_bounds_titles_and_tips_come_from_the_fields():
    by_name = {s.name: s for s in describe_settings(FitConfig, ADVANCED)}
    assert by_name["method"].choices == ("auto", "gmm", "svgmm", "spatial")
    assert (by_name["max_steps"].low, by_name["max_steps"].high) == (1, 10000)
    assert by_name["threads"].may_be_empty
    assert all(s.title and s.tip for s in by_name.values())


def test_every_field_is_in_the_form_or_beside_it():
    elsewhere = {"n_classes", "initial_means"}
    assert set(ADVANCED) | elsewhere == set(FitConfig.__pydantic_fields__)


def test_an_untouched_form_gives_the_defaults(qtbot):
    form = SettingsForm(describe_settings(FitConfig, ADVANCED), "test")
    qtbot.addWidget(form)
    assert make_settings(FitConfig, form.values()) == FitConfig()


def test_values_go_in_and_come_out(qtbot):
    form = SettingsForm(describe_settings(FitConfig, ADVANCED), "test")
    qtbot.addWidget(form)
    wanted = {
        "method": "gmm",
        "gaussians_per_class": (2, 1, 1),
        "neighbour_weight": 0.6,
        "tolerance": 1e-6,
        "seed": 5,
        "threads": 2,
        "device": "cpu",
    }
    form.set_values(wanted)
    values = form.values()
    assert {name: values[name] for name in wanted} == wanted


def test_values_beyond_the_bounds_are_told_by_title():
    with pytest.raises(SettingsError, match="Starts cannot be 0"):
        make_settings(FitConfig, {"n_starts": 0})


def test_words_are_no_numbers(qtbot):
    with pytest.raises(SettingsError, match="no row of whole numbers"):
        parse_numbers("two")
    form = SettingsForm(describe_settings(FitConfig, ["tolerance"]), "test")
    qtbot.addWidget(form)
    form.set_values({"tolerance": "small"})
    with pytest.raises(SettingsError, match="Tolerance"):
        form.values()
