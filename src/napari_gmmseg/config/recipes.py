"""Hyper-parameters of the deep mixtures: ours, the paper's, and those of its published program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from napari_gmmseg.config.deep import Gradient, RecipeName
from napari_gmmseg.config.fit import FitConfig, Means
from napari_gmmseg.config.outlier import check_outliers
from napari_gmmseg.errors import SettingsError

Form = Literal["deepg", "deepsvg", "blindspot"]
FORMS: tuple[Form, ...] = ("deepg", "deepsvg", "blindspot")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a deep method with nothing left empty.

    Parameters
    ----------
    warm_steps : int
        Steps of cross-entropy to the spatial mixture; 0 starts from random weights.
    unseen_steps : int
        Steps of the likelihood before the first preview: until then the spatial mixture is the better sight.
    max_steps : int
        Steps of the likelihood at most.
    least_steps : int
        Steps before which the stopping rule does not look.
    window : int
        Steps between the two likelihoods that the stopping rule compares; 1: the paper's rule.
    tolerance : float
        It stops when the negative log-likelihood changes by less, in nat per voxel; 0 goes to the last step.
    learning_rate : float
        Of AdamW, at the start.
    weight_decay : float
        Of AdamW.
    gradient_clip : float
        The norm to which gradients are clipped.
    decays : bool
        Whether the learning rate falls towards the end.
    falls_from : float
        Where it does, the share of all steps after which it begins to.
    mirrors : bool
        Whether what the network sees is mirrored at random: without it, a network learns a single image by heart.
    batch_slices : int
        Slices a step, in volumes.
    means : "free", "anchored" or "fixed"
        What the M-step may do with the class means.
    mean_weight : float
        lambda of r(mu).
    smoothness : float
        Weight of the total variation.
    gradient : "full" or "detached"
        Whether the loss sends gradients through the M-step.
    network : "published" or "light"
        The paper's U-Net, or ours with batch norm.
    width, depth : int
        Channels of its first level, and how often it halves the image.
    norm_momentum : float
        Light network only: weight of a step's mean and variance in those that its norms keep for predictions.
    hidden_share : float
        Blind-spot only.
    snapshots : int
        Predictions of the last steps that are averaged.
    mirrors_snapshots : bool
        Whether every other of them is of the mirrored image: then they err in less alike ways.
    own_intensity : float
        Weight of the voxel's own intensity in the answer.
    weighs_sizes : bool
        Whether each class's density is weighed by its share in the spatial mixture, to the power that it has there.
    bound : bool
        deepG only: the negative ELBO in place of the likelihood.
    likelihood_floor : float
        Added to each voxel's density; the published program has 1e-10, which caps its loss at 23 nat. 0: none.
    """

    warm_steps: int
    unseen_steps: int = 20
    max_steps: int
    least_steps: int
    window: int
    tolerance: float
    learning_rate: float
    weight_decay: float = 1e-3
    gradient_clip: float = 12.0
    decays: bool
    falls_from: float = 0.5
    mirrors: bool
    batch_slices: int
    means: Means
    mean_weight: float = 0.0
    smoothness: float = 0.0
    gradient: Gradient
    network: Literal["published", "light"]
    width: int
    depth: int
    norm_momentum: float = 0.1
    hidden_share: float = 0.3
    snapshots: int
    mirrors_snapshots: bool = False
    own_intensity: float
    weighs_sizes: bool
    bound: bool = False
    likelihood_floor: float = 0.0


#: Schwab et al., sections 3 and 4: one image, Algorithm 3.
_PAPER = Recipe(
    warm_steps=0,
    max_steps=200,
    least_steps=1,
    window=1,
    tolerance=1e-3,
    learning_rate=1e-3,
    decays=False,
    mirrors=False,
    batch_slices=4,
    means="free",
    gradient="full",
    network="published",
    width=32,
    depth=4,
    snapshots=1,
    own_intensity=0.0,
    weighs_sizes=False,
)
#: Where the published program differs from the paper.
_CODE = replace(_PAPER, learning_rate=1e-4, least_steps=10, likelihood_floor=1e-10)
_TUNED = Recipe(
    warm_steps=50,
    max_steps=100,
    least_steps=40,
    window=20,
    tolerance=1e-3,
    learning_rate=4e-3,
    decays=True,
    mirrors=True,
    batch_slices=2,
    means="anchored",
    smoothness=1.0,
    gradient="detached",
    network="light",
    width=8,
    depth=2,
    snapshots=3,
    own_intensity=0.0,
    weighs_sizes=True,
)
RECIPES: dict[tuple[Form, RecipeName], Recipe] = {
    ("deepg", "paper"): _PAPER,
    ("deepg", "code"): _CODE,
    # Of free or anchored means, deepG lets one class take all where there is much noise.
    ("deepg", "tuned"): replace(_TUNED, gradient="full", means="fixed", bound=True),
    ("deepsvg", "paper"): _PAPER,
    ("deepsvg", "code"): _CODE,
    ("deepsvg", "tuned"): _TUNED,
    # Steps, norms and snapshots were chosen by benchmarks/study_default.py (docs/explanation/default-method.md).
    ("blindspot", "tuned"): replace(
        _TUNED,
        warm_steps=10,
        unseen_steps=10,
        max_steps=150,
        means="fixed",
        smoothness=0.0,
        norm_momentum=0.3,
        snapshots=2,
        mirrors_snapshots=True,
        own_intensity=0.25,
    ),
}


def recipe_for(config: FitConfig, form: Form) -> Recipe:
    """Return the settings of a deep method: what the person set, the rest from the recipe.

    Parameters
    ----------
    config : FitConfig
        The person's settings.
    form : "deepg", "deepsvg" or "blindspot"
        The method.

    Raises
    ------
    SettingsError
        Where there is no such recipe, or settings contradict each other.
    """
    recipe = RECIPES.get((form, config.recipe))
    if recipe is None:
        raise SettingsError(
            f"There is no recipe {config.recipe!r} for {form}: the method is not in the paper.",
            "Use --recipe tuned, or --method deepsvg.",
        )
    check_outliers(config, config.n_classes)
    given = {
        name: getattr(config, name)
        for name in (
            "warm_steps",
            "max_steps",
            "learning_rate",
            "means",
            "mean_weight",
            "smoothness",
            "gradient",
            "hidden_share",
            "width",
            "depth",
            "own_intensity",
        )
        if getattr(config, name) is not None
    }
    return _checked(replace(recipe, **given), form)


def _checked(recipe: Recipe, form: Form) -> Recipe:
    if form == "deepg" and recipe.gradient == "detached":
        raise SettingsError(
            "deepg cannot be trained with a detached M-step: as published, its likelihood depends on the network "
            "through the mixing weights, means and variances only, so that every voxel gets the same gradient, and "
            "nothing is learnt.",
            "Use --gradient full, or --method deepsvg.",
        )
    if form == "deepg" and recipe.means == "fixed" and not recipe.bound:
        raise SettingsError(
            "deepg as published cannot be trained with fixed class means: its likelihood depends on the network "
            "through the mixing weights, means and variances only.",
            "Use --means anchored or free, or --recipe tuned.",
        )
    if recipe.mean_weight and recipe.gradient == "detached":
        raise SettingsError(
            "The mean weight λ acts through the gradient of the class means, and the M-step is detached.",
            "Use --gradient full with --mean-weight, or --means anchored without it.",
        )
    if recipe.mean_weight and recipe.means == "fixed":
        raise SettingsError(
            "The mean weight λ pulls the class means to the start, and they are fixed there.",
            "Use --means free or anchored with --mean-weight, or leave it out.",
        )
    return recipe
