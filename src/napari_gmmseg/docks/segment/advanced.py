"""What stands under Advanced: in which order, for which mixture each setting matters, and what it is while empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.liveness import LIVENESS
from napari_gmmseg.config.recipes import FORMS, RECIPES
from napari_gmmseg.docks.common.settings import Setting, describe_settings

_EM = frozenset({"gmm", "svgmm"})
_SPATIAL = frozenset({"auto", "spatial"})
_PUBLISHED = frozenset({"deepg", "deepsvg"})
_DEEP = frozenset(FORMS)
_ALL = _EM | _SPATIAL | _DEEP

#: Fields of `FitConfig` in the order in which they are shown, each with the mixtures for which it matters.
_MATTERS: dict[str, frozenset[str]] = {
    "method": _ALL,
    "covariance": _ALL,
    "gaussians_per_class": _EM | _SPATIAL,
    "initialisation": _EM | _SPATIAL,
    "n_starts": _EM | _SPATIAL,
    "means": _SPATIAL | _DEEP,
    "neighbour_weight": _SPATIAL,
    "neighbourhood": _SPATIAL,
    "bias_field": _ALL,
    "tolerance": _EM,
    "max_steps": _ALL,
    "refine": frozenset({"auto"}),
    "recipe": _PUBLISHED,
    "warm_steps": _DEEP,
    "learning_rate": _DEEP,
    "gradient": frozenset({"deepsvg"}),
    "mean_weight": _PUBLISHED,
    "smoothness": _DEEP,
    "hidden_share": frozenset({"blindspot"}),
    "own_intensity": _DEEP,
    "view": _DEEP,
    "width": _DEEP,
    "depth": _DEEP,
    "precision": _DEEP,
    "seed": _ALL,
    "device": _ALL,
    "threads": _ALL,
}
ADVANCED = tuple(_MATTERS)
#: What stands above a field and those that follow it.
HEADINGS = {"recipe": "Network", "seed": "Computing"}
#: Ends the tip of a setting that a run takes up at its next step, and of one that it does not.
LIVE = "Acts during a run."
NEXT_RUN = "Acts at the next run: it rests while one is alive."


def advanced_settings() -> list[Setting]:
    """Describe all of it; the method is not called as the choice above it is, and each says when it acts."""
    settings = [
        s if s.name in waiting_fields() else replace(s, tip=f"{s.tip} {LIVE}")
        for s in describe_settings(FitConfig, ADVANCED)
    ]
    return [replace(s, title="Mixture") if s.name == "method" else s for s in settings]


def waiting_fields() -> frozenset[str]:
    """Return the settings that a run which is alive cannot take up."""
    return frozenset(name for name in ADVANCED if LIVENESS[name] == "restart")


def fields_for(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields that matter.

    Parameters
    ----------
    values : mapping of str to object
        Fields of `FitConfig`; what is not there is at its default.
    """
    method = values.get("method", "auto")
    return frozenset(name for name, mixtures in _MATTERS.items() if method in mixtures)


def recipe_in_words(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what a recipe puts where a field is left empty; nothing where the mixture has no network.

    Parameters
    ----------
    values : mapping of str to object
        Fields of `FitConfig`; what is not there is at its default.
    """
    form, name = values.get("method", "auto"), values.get("recipe", "tuned")
    recipe = RECIPES.get((form, name))
    if recipe is None:
        return {}
    held = {field: getattr(recipe, field) for field in ADVANCED if hasattr(recipe, field)}
    return {field: value if isinstance(value, str) else f"{value:g}" for field, value in held.items()}
