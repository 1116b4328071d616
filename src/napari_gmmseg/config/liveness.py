"""What happens to a running fit when a setting changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from napari_gmmseg.config.fit import FitConfig

Liveness = Literal["patch", "rehead", "restart"]

#: patch: taken up at the next step; rehead: classes are split or merged, the rest is kept; restart: from the beginning.
LIVENESS: Mapping[str, Liveness] = {
    "method": "restart",
    "n_classes": "rehead",
    "covariance": "restart",
    "gaussians_per_class": "restart",
    "initialisation": "restart",
    "initial_means": "restart",
    "n_starts": "restart",
    "bias_field": "restart",
    "tolerance": "patch",
    "max_steps": "patch",
    "neighbour_weight": "patch",
    "neighbourhood": "patch",
    "means": "patch",
    "seed": "restart",
    "device": "restart",
    "threads": "patch",
    "recipe": "restart",
    "refine": "patch",
    "warm_steps": "restart",
    "learning_rate": "patch",
    "mean_weight": "patch",
    "smoothness": "patch",
    "gradient": "patch",
    "hidden_share": "patch",
    "own_intensity": "patch",
    "view": "restart",
    "width": "restart",
    "depth": "restart",
    "precision": "restart",
    "outlier_weight": "patch",
    "outlier_inner": "patch",
    "outlier_outer": "patch",
    "outlier_unit": "patch",
    "outlier_ramp": "patch",
    "outlier_mode": "patch",
}
_STRENGTH: Mapping[Liveness | None, int] = {None: 0, "patch": 1, "rehead": 2, "restart": 3}


def liveness(old: FitConfig, new: FitConfig) -> Liveness | None:
    """Return what a change of settings asks for: the strongest of its fields; None where nothing changed.

    Parameters
    ----------
    old, new : FitConfig
        Before and after.
    """
    strongest: Liveness | None = None
    for name, kind in LIVENESS.items():
        if getattr(old, name) != getattr(new, name) and _STRENGTH[kind] > _STRENGTH[strongest]:
            strongest = kind
    return strongest
