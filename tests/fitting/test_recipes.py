"""Settings of the deep mixtures: whose word counts, what the paper and its program have, and what is refused."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from napari_gmmseg.api import segment as segment_by_api
from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.recipes import FORMS, RECIPES, recipe_for
from napari_gmmseg.errors import SettingsError

#: A value other than every recipe's for each setting that a recipe fills in.
GIVEN = {
    "warm_steps": 7,
    "max_steps": 11,
    "learning_rate": 0.02,
    "smoothness": 0.3,
    "hidden_share": 0.45,
    "width": 5,
    "depth": 3,
    "own_intensity": 0.6,
}

every_recipe = pytest.mark.parametrize(("form", "name"), RECIPES, ids=["-".join(key) for key in RECIPES])


@every_recipe
def test_what_is_left_empty_follows_the_recipe(form, name) -> None:
    assert recipe_for(FitConfig(recipe=name), form) == RECIPES[form, name]


@every_recipe
@pytest.mark.parametrize("setting", GIVEN)
def test_what_a_person_set_wins_over_the_recipe_and_changes_nothing_else(form, name, setting) -> None:
    found = asdict(recipe_for(FitConfig(recipe=name, **{setting: GIVEN[setting]}), form))
    assert found == asdict(RECIPES[form, name]) | {setting: GIVEN[setting]}
    assert found[setting] != asdict(RECIPES[form, name])[setting]


def test_zero_is_an_answer_and_not_an_empty_field() -> None:
    found = recipe_for(FitConfig(warm_steps=0, smoothness=0.0, mean_weight=0.0, own_intensity=0.0), "blindspot")
    assert (found.warm_steps, found.smoothness, found.mean_weight, found.own_intensity) == (0, 0, 0, 0)


def test_means_gradient_and_mean_weight_are_a_person_s_to_choose() -> None:
    found = recipe_for(FitConfig(means="free", gradient="full", mean_weight=10.0), "deepsvg")
    assert (found.means, found.gradient, found.mean_weight) == ("free", "full", 10.0)


@pytest.mark.parametrize("form", ["deepg", "deepsvg"])
def test_the_paper_s_recipe_is_algorithm_3_on_one_image(form) -> None:
    """Section 4: AdamW with 1e-3, NLL that changes by less than 1e-3 or 200 steps; the network is the program's."""
    paper = RECIPES[form, "paper"]
    assert (paper.warm_steps, paper.means, paper.gradient) == (0, "free", "full")
    assert (paper.learning_rate, paper.tolerance, paper.max_steps, paper.window) == (1e-3, 1e-3, 200, 1)
    assert (paper.network, paper.width, paper.depth) == ("published", 32, 4)
    assert (paper.mean_weight, paper.smoothness, paper.own_intensity) == (0, 0, 0)
    assert not paper.decays
    assert not paper.mirrors
    assert not paper.weighs_sizes


@pytest.mark.parametrize("form", ["deepg", "deepsvg"])
def test_the_published_program_differs_from_the_paper_in_rate_patience_and_floor(form) -> None:
    paper, code = (asdict(RECIPES[form, name]) for name in ("paper", "code"))
    assert {key: value for key, value in code.items() if value != paper[key]} == {
        "learning_rate": 1e-4,
        "least_steps": 10,
        "likelihood_floor": 1e-10,
    }
    assert (code["weight_decay"], code["gradient_clip"], code["max_steps"]) == (1e-3, 12, 200)


@pytest.mark.parametrize("name", ["paper", "code"])
def test_the_blind_spot_prior_is_not_in_the_paper(name) -> None:
    with pytest.raises(SettingsError, match=f"no recipe '{name}' for blindspot") as caught:
        recipe_for(FitConfig(recipe=name), "blindspot")
    assert "deepsvg" in caught.value.hint


def test_every_form_has_a_tuned_recipe_that_starts_warm() -> None:
    for form in FORMS:
        tuned = RECIPES[form, "tuned"]
        assert tuned.warm_steps > 0
        assert tuned.window > 1


REFUSED = [
    ("deepg", {"gradient": "detached"}, "every voxel gets the same gradient, and nothing is learnt"),
    ("deepg", {"gradient": "detached", "recipe": "paper"}, "nothing is learnt"),
    ("deepg", {"recipe": "paper", "means": "fixed"}, "cannot be trained with fixed class means"),
    ("deepg", {"recipe": "code", "warm_steps": 5, "means": "fixed"}, "cannot be trained with fixed class means"),
    ("deepsvg", {"mean_weight": 10.0}, "the M-step is detached"),
    ("deepsvg", {"mean_weight": 10.0, "gradient": "full", "means": "fixed"}, "they are fixed there"),
    ("blindspot", {"recipe": "paper"}, "not in the paper"),
]


@pytest.mark.parametrize(("form", "settings", "reason"), REFUSED)
def test_what_cannot_be_is_refused_with_the_reason_and_a_way_out(form, settings, reason) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        recipe_for(FitConfig(**settings), form)
    assert caught.value.hint.startswith("Use --")


@pytest.mark.parametrize(("form", "settings", "reason"), REFUSED)
def test_a_fit_refuses_it_before_its_first_step(squares, begin, form, settings, reason) -> None:
    image, truth = squares
    steps = begin(image, truth > 0, spacing=None, method=form, **settings)
    with pytest.raises(SettingsError, match=reason):
        next(steps)


def test_the_api_refuses_a_detached_deepg_with_the_reason(squares) -> None:
    from napari_gmmseg.volumes import Volume

    image, truth = squares
    with pytest.raises(SettingsError, match="nothing is learnt"):
        segment_by_api(Volume.from_array(image), mask=truth > 0, method="deepg", gradient="detached")


def test_the_bound_of_deepg_is_trained_from_random_weights_with_fixed_means(squares, segment) -> None:
    image, truth = squares
    how = {"spacing": None, "preset": "custom", "warm_steps": 0, "max_steps": 30, "width": 4, "depth": 1}
    losses = [r.terms["loss"] for r in segment(image, truth > 0, method="deepg", **how).history if "loss" in r.terms]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1


@pytest.mark.parametrize("form", ["deepg", "deepsvg"])
def test_fixed_means_stay_where_they_were_and_free_means_do_not(squares, segment, form) -> None:
    image, truth = squares
    how = {"spacing": None, "preset": "custom", "warm_steps": 2, "max_steps": 4, "width": 4, "depth": 1}
    start = segment(image, truth > 0, method="spatial", spacing=None, preset="custom").mixture.means
    held = segment(image, truth > 0, method=form, means="fixed", **how).mixture.means
    np.testing.assert_allclose(held, start, rtol=1e-5)
    freed = segment(image, truth > 0, method=form, means="free", **how).mixture.means
    assert np.abs(freed - start).max() > 0.05


def test_anchored_means_stay_near_the_start_in_the_published_program_s_recipe_too(squares, segment) -> None:
    image, truth = squares
    how = {"spacing": None, "preset": "custom", "width": 4, "depth": 1}
    start = segment(image, truth > 0, method="spatial", **how).mixture.means
    code = {"method": "deepsvg", "recipe": "code", "max_steps": 4}
    away = [
        np.abs(segment(image, truth > 0, means=means, **code, **how).mixture.means - start).max()
        for means in ("anchored", "free")
    ]
    assert away[0] < 0.6 * away[1]
