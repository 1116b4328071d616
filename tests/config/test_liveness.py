"""What a change of each setting asks of a running fit."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.liveness import LIVENESS, liveness

#: Another value of each setting, and the kind of change that it is.
OTHERS: dict[str, tuple[Any, str]] = {
    "method": ("gmm", "restart"),
    "n_classes": (4, "rehead"),
    "covariance": ("full", "restart"),
    "gaussians_per_class": ((2, 1, 1), "restart"),
    "initialisation": ("quantiles", "restart"),
    "initial_means": (((1.0,), (2.0,), (3.0,)), "restart"),
    "n_starts": (3, "restart"),
    "bias_field": ("on", "restart"),
    "tolerance": (1e-3, "patch"),
    "max_steps": (10, "patch"),
    "neighbour_weight": (0.5, "patch"),
    "neighbourhood": (26, "patch"),
    "means": ("fixed", "patch"),
    "seed": (1, "restart"),
    "device": ("cpu", "restart"),
    "threads": (2, "patch"),
    "recipe": ("paper", "restart"),
    "refine": (False, "patch"),
    "warm_steps": (3, "restart"),
    "learning_rate": (1e-3, "patch"),
    "mean_weight": (1.0, "patch"),
    "smoothness": (0.5, "patch"),
    "gradient": ("full", "patch"),
    "hidden_share": (0.4, "patch"),
    "own_intensity": (0.5, "patch"),
    "view": ("2d", "restart"),
    "width": (4, "restart"),
    "depth": (1, "restart"),
    "precision": ("float32", "restart"),
    "outlier_weight": (1.0, "patch"),
    "outlier_inner": (3, "patch"),
    "outlier_outer": (9, "patch"),
    "outlier_unit": ("mm", "patch"),
    "outlier_ramp": (0.0, "patch"),
    "outlier_mode": ("printed", "patch"),
}


def test_every_setting_has_a_liveness_and_nothing_else_has() -> None:
    names = [field.name for field in fields(FitConfig)]
    assert sorted(LIVENESS) == sorted(names) == sorted(OTHERS)


@pytest.mark.parametrize("name", OTHERS)
def test_a_change_of_one_setting_asks_for_what_the_table_says(name: str) -> None:
    value, kind = OTHERS[name]
    assert liveness(FitConfig(), replace(FitConfig(), **{name: value})) == kind == LIVENESS[name]


def test_no_change_asks_for_nothing() -> None:
    assert liveness(FitConfig(), FitConfig()) is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"smoothness": 1.0, "n_classes": 4}, "rehead"),
        ({"smoothness": 1.0, "n_classes": 4, "width": 4}, "restart"),
        ({"smoothness": 1.0, "learning_rate": 0.1}, "patch"),
    ],
)
def test_of_several_changes_the_strongest_counts(changes: dict[str, Any], kind: str) -> None:
    assert liveness(FitConfig(), replace(FitConfig(), **changes)) == kind
