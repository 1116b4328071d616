"""The outlier-region loss in a fit: fewer islands, a late ramp, settings that act at the next step, known voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.fitting.live_runs import FAST, Run, first_of, same_bits, slab_case, slice_case

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.outlier import windows_on_grid
from napari_gmmseg.config.recipes import recipe_for
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.deep.outliers import Printed, ramp
from napari_gmmseg.losses import OutlierRegionLoss
from napari_gmmseg.mixture.outlier_score import surrounding_labels
from napari_gmmseg.volumes import Retune, SaveState

ON: dict[str, Any] = {"outlier_weight": 3.0, "outlier_inner": 3, "outlier_outer": 9}
NAME = "outlier region"


def outliers_of(run: Run, n_dims: int = 2) -> int:
    """Return how many voxels of a result are outliers with windows of 3 and 9."""
    windows = ((1, 3, 3), (1, 9, 9)) if n_dims == 2 else ((3, 3, 3), (9, 9, 9))
    score, _ = surrounding_labels(torch.from_numpy(np.array(run.result.label_map.labels))[None], 3, *windows)
    return int((score > 0).sum())


def steps_with_the_term(run: Run) -> list[int]:
    return [report.step for report in run.reports if NAME in report.terms]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_network_with_the_loss_leaves_less_than_half_of_the_outliers(seed):
    case = slice_case(noise=0.12)
    without, with_it = (case.run(method="deepsvg", seed=seed, **settings) for settings in ({}, ON))
    assert outliers_of(with_it) <= 0.5 * outliers_of(without)


def test_without_a_weight_it_changes_nothing():
    case = slice_case()
    plain = case.run(method="deepsvg", **FAST)
    other = case.run(method="deepsvg", outlier_inner=5, outlier_outer=15, outlier_ramp=0.0, **FAST)
    assert same_bits(plain.result, other.result)
    assert not steps_with_the_term(other)


def test_it_counts_from_its_ramp_on_and_after_the_warm_up():
    case = slice_case()
    assert min(steps_with_the_term(case.run(method="deepsvg", **FAST, **ON))) == 9
    assert min(steps_with_the_term(case.run(method="deepsvg", outlier_ramp=0.0, **FAST, **ON))) == 5


def test_the_ramp_is_nothing_at_first_and_all_of_it_half_way_on():
    assert [ramp(share, 0.5) for share in (0.0, 0.5, 0.625, 0.75, 1.0)] == [0, 0, 0.5, 1, 1]
    assert [ramp(share, 0.0) for share in (0.25, 0.5, 1.0)] == [0.5, 1, 1]


@pytest.mark.parametrize("method", ["deepg", "deepsvg", "blindspot"])
@pytest.mark.parametrize("view", ["2d", "3d"])
def test_every_form_takes_it_in_slices_and_in_patches(method, view):
    run = slab_case().run(method=method, view=view, **FAST, **ON)
    assert steps_with_the_term(run)
    assert np.isfinite(run.result.probabilities).all()


def test_a_recipe_without_a_start_takes_it_too():
    run = slice_case().run(method="deepsvg", recipe="paper", max_steps=4, width=4, depth=2, outlier_ramp=0.0, **ON)
    assert steps_with_the_term(run)


@pytest.mark.parametrize(
    "change", [{"outlier_weight": 30.0}, {"outlier_inner": 5, "outlier_outer": 15}, {"outlier_weight": 0.0}], ids=str
)
def test_a_change_acts_at_the_next_step_without_a_new_beginning(change):
    case, settings = slice_case(), {"method": "deepsvg", "outlier_ramp": 0.0, **FAST, **ON}
    plain = case.run(**settings)
    at = first_of(plain.reports, "deepSVG", 8)
    changed = case.run({at: Retune(change)}, **settings)
    assert not changed.refusals
    assert len(changed.reports) == len(plain.reports)
    losses = [[report.terms.get("loss") for report in run.reports] for run in (plain, changed)]
    assert losses[0][:at] == losses[1][:at]
    assert losses[0][at] != losses[1][at]
    assert (NAME in changed.reports[at].terms) == (change.get("outlier_weight") != 0)


def test_windows_that_make_no_sense_are_refused_and_the_run_goes_on():
    case, settings = slice_case(), {"method": "deepsvg", **FAST, **ON}
    plain = case.run(**settings)
    at = first_of(plain.reports, "deepSVG", 8)
    run = case.run({at: Retune({"outlier_inner": 11})}, **settings)
    (refused,) = run.refusals
    assert "j = 9" in refused.message
    assert same_bits(plain.result, run.result)


@pytest.mark.parametrize("make", [slice_case, slab_case], ids=["slice", "slab"])
def test_a_run_that_is_taken_up_again_ends_with_the_same_bits(make):
    case, settings = make(), {"method": "deepsvg", "outlier_ramp": 0.0, **FAST, **ON}
    at = first_of(case.run(**settings).reports, "deepSVG", 8)
    whole = case.run({at: SaveState()}, **settings)
    (state,) = whole.states
    assert any(name.startswith("outliers/") for name in state.arrays)
    assert same_bits(whole.result, case.run(state=state, **settings).result)


def test_other_classes_in_mid_run_are_scored_anew():
    case, settings = slice_case(), {"method": "deepsvg", "outlier_ramp": 0.0, **FAST, **ON}
    at = first_of(case.run(**settings).reports, "deepSVG", 8)
    run = case.run({at: Retune({"n_classes": 4})}, **settings)
    assert len(run.result.label_map.classes) == 4
    assert NAME in run.reports[-1].terms


def test_voxels_of_known_class_are_not_pulled():
    case, settings = slice_case(), {"method": "deepsvg", "outlier_ramp": 0.0, **FAST, **ON}
    known = np.where(case.truth > 0, case.truth.astype(np.int64) - 1, -1)
    run = case.run(fixed_labels=known, **settings)
    assert {report.terms[NAME] for report in run.reports if NAME in report.terms} == {0.0}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"outlier_inner": 21}, "not smaller"),
        ({"outlier_inner": 6}, "odd"),
        ({"outlier_mode": "printed"}, "two classes"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_only_where_they_count(settings, words):
    with pytest.raises(SettingsError, match=words):
        recipe_for(FitConfig(method="deepsvg", outlier_weight=1.0, **settings), "deepsvg")
    assert recipe_for(FitConfig(method="deepsvg", **settings), "deepsvg")


def test_windows_follow_the_grid():
    assert windows_on_grid(7, 21, "voxels", (1.0, 1.0, 1.0), (50, 50, 50)) == ((7, 7, 7), (21, 21, 21))
    assert windows_on_grid(7, 21, "voxels", (8.0, 1.5, 1.5), (10, 99, 99)) == ((1, 7, 7), (3, 21, 21))
    assert windows_on_grid(7, 21, "voxels", (1.0, 1.0, 1.0), (1, 99, 99)) == ((1, 7, 7), (1, 21, 21))
    assert windows_on_grid(6, 20, "mm", (2.0, 1.0, 1.0), (50, 50, 50)) == ((3, 7, 7), (11, 21, 21))
    assert windows_on_grid(1, 3, "mm", (4.0, 4.0, 4.0), (9, 9, 9)) == ((1, 1, 1), (3, 3, 3))


def test_the_printed_formula_runs_in_a_fit_of_two_classes():
    run = slice_case().run(method="deepsvg", n_classes=2, outlier_mode="printed", **FAST, **ON)
    assert steps_with_the_term(run)


@pytest.mark.parametrize("make", [slice_case, slab_case], ids=["slice", "slab"])
def test_the_printed_formula_takes_lengths_in_mm_which_need_not_be_odd(make):
    lengths = {"outlier_unit": "mm", "outlier_inner": 4, "outlier_outer": 12, "outlier_weight": 1.0}
    run = make().run(method="deepsvg", n_classes=2, outlier_mode="printed", outlier_ramp=0.0, **FAST, **lengths)
    assert steps_with_the_term(run)


def test_the_printed_formula_has_the_windows_of_the_grid():
    windows, scene = ((1, 7, 3), (3, 21, 9)), torch.rand(2, 1, 30, 30, generator=torch.Generator().manual_seed(0))
    log_prior, mask = torch.cat([1 - scene, scene], 1).log(), torch.ones(2, 30, 30, dtype=torch.bool)
    of_slices = OutlierRegionLoss(inner=(7, 3), outer=(21, 9), mode="printed", smooth=1.0)(log_prior, mask)
    torch.testing.assert_close(Printed(windows, 0)(log_prior, mask), of_slices)
    other = OutlierRegionLoss(inner=(1, 7), outer=(3, 21), mode="printed", smooth=1.0)(log_prior, mask)
    torch.testing.assert_close(Printed(windows, 2)(log_prior, mask), other)
    alike = OutlierRegionLoss(inner=(3, 3), outer=(5, 5), mode="printed", smooth=1.0)(log_prior, mask)
    torch.testing.assert_close(Printed(((1, 3, 3), (3, 3, 3)), 0)(log_prior, mask), alike)
