"""How much memory a fit takes at its peak, told from sizes and settings alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_gmmseg.config.deep import Precision
from napari_gmmseg.config.fit import FitConfig
from napari_gmmseg.config.recipes import Form, Recipe, recipe_for
from napari_gmmseg.config.slicing import PATCH, neighbours_seen, slice_axis

_MEGA = 1e6


@dataclass(frozen=True)
class Savings:
    """What a network does with less, so that it fits.

    Parameters
    ----------
    batch_slices : int or None
        Slices or patches a step at most; None: as the recipe has it.
    precision : "auto", "float32" or "bfloat16", or None
        Of the network; None: as was set.
    """

    batch_slices: int | None = None
    precision: Precision | None = None

    def applied(self, recipe: Recipe) -> Recipe:
        """Return a recipe with no larger batch.

        Parameters
        ----------
        recipe : Recipe
            Settings of a deep method.
        """
        if self.batch_slices is None:
            return recipe
        return replace(recipe, batch_slices=min(recipe.batch_slices, self.batch_slices))


def in_words(n_bytes: float) -> str:
    """Return an amount of memory for a person.

    Parameters
    ----------
    n_bytes : float
        Bytes.
    """
    mega = n_bytes / _MEGA
    return f"{mega / 1000:.1f} GB" if mega >= 1000 else f"{mega:.0f} MB"


#: Bytes of a number.
_FLOAT = 4


@dataclass(frozen=True)
class Constants:
    """What one kind of fit holds at its peak.

    Parameters
    ----------
    class_maps : float
        Maps of one float32 for each class, over the box around the mask.
    channel_maps : float
        Maps of one float32 for each channel, over the box.
    maps : float
        Other maps of one float32, over the box.
    results : float
        Maps of one float32 for each class over the whole grid, that the result holds.
    base : float
        Whatever the size, in MB.
    """

    class_maps: float
    channel_maps: float
    maps: float
    results: float
    base: float


#: Fitted to measured peaks by `benchmarks/memory.py --fit`; how far off they are stands in docs/reference/memory.md.
CONSTANTS: dict[str, Constants] = {
    "gmm": Constants(3.2, 1.5, 0.0, 1.0, 5.0),
    "svgmm": Constants(3.4, 1.5, 0.0, 1.0, 4.0),
    "spatial": Constants(1.9, 7.1, 0.0, 1.0, 9.0),
    "deepg": Constants(7.8, 3.1, 1.4, 1.0, 2.0),
    "deepsvg": Constants(6.9, 3.1, 1.4, 2.0, 2.0),
    "blindspot": Constants(5.3, 3.1, 1.4, 2.0, 2.0),
    "auto": Constants(5.7, 3.1, 1.4, 3.0, 2.0),
}
#: Numbers that a training step keeps for each channel of the network and voxel of a batch, by network and axes.
ACTIVATIONS: dict[tuple[str, int], float] = {
    ("light", 2): 16.2,
    ("light", 3): 17.8,
    ("published", 2): 16.3,
    ("published", 3): 16.3,
}
#: What bfloat16 leaves of the memory of activations.
LOW_SHARE = 0.64


@dataclass(frozen=True)
class Footprint:
    """The sizes that memory depends on.

    Parameters
    ----------
    grid : int
        Voxels of the whole image.
    box : int
        Voxels of the box around the mask.
    n_channels, n_classes : int
        C and K.
    method : str
        As in `FitConfig.method`.
    weights : int
        Numbers that a network learns; 0 without one.
    activations : float
        Bytes that a training step keeps for its way back.
    """

    grid: int
    box: int
    n_channels: int
    n_classes: int
    method: str
    weights: int = 0
    activations: float = 0.0

    @classmethod
    def of(
        cls,
        grid: Sequence[int],
        crop: Sequence[int],
        n_channels: int,
        config: FitConfig,
        spacing: Sequence[float],
        *,
        low: bool | None = None,
        savings: Savings | None = None,
    ) -> Footprint:
        """Return the sizes of a fit.

        Parameters
        ----------
        grid, crop : sequence of int
            ([T,] Z, Y, X) of the image, and of the box around the mask; the image's again where that is not known yet.
        n_channels : int
            C.
        config : FitConfig
            Settings.
        spacing : (dz, dy, dx)
            Voxel size, in mm or another unit.
        low : bool or None
            Whether networks train in bfloat16 where the precision is "auto"; None: they do not.
        savings : Savings or None
            What is made smaller.

        Raises
        ------
        SettingsError
            Where settings contradict each other.
        """
        form = _form(config)
        method = "spatial" if config.method == "auto" and form is None else config.method
        sizes = cls(math.prod(grid), math.prod(crop), n_channels, config.n_classes, method)
        if form is None:
            return sizes
        savings = savings or Savings()
        recipe = savings.applied(recipe_for(config, form))
        network = _Network.of(tuple(crop[-3:]), n_channels, config, recipe, spacing)
        asked = savings.precision or config.precision
        lowered = asked == "bfloat16" or (asked == "auto" and bool(low) and recipe.network == "light")
        kept = ACTIVATIONS[recipe.network, network.n_dims] * (LOW_SHARE if lowered else 1.0)
        return replace(sizes, weights=network.weights, activations=kept * _FLOAT * network.features)

    def peak(self) -> int:
        """Return the bytes at the peak, above the image."""
        held = CONSTANTS[self.method]
        k, c = self.n_classes, self.n_channels
        maps = _FLOAT * self.box * (held.class_maps * k + held.channel_maps * c + held.maps)
        results = _FLOAT * held.results * k * self.grid
        # Weights, their gradients, and the two averages of AdamW.
        return int(maps + results + 4 * _FLOAT * self.weights + self.activations + held.base * _MEGA)


@dataclass(frozen=True)
class _Network:
    """Axes of what a network sees, numbers that it learns, and channels times voxels of a batch over its levels."""

    n_dims: int
    weights: int
    features: float

    @classmethod
    def of(
        cls, crop: tuple[int, ...], n_channels: int, config: FitConfig, recipe: Recipe, spacing: Sequence[float]
    ) -> _Network:
        inputs = n_channels + (config.n_classes if _starts(recipe) else 0)
        if config.view == "3d" and min(crop) > 1:
            n_dims, piece, count = 3, [min(n, PATCH) for n in crop], recipe.batch_slices
        else:
            axis = slice_axis(crop, spacing)
            n_dims, piece, count = 2, [n for a, n in enumerate(crop) if a != axis], crop[axis]
            inputs *= 1 + 2 * neighbours_seen(crop, spacing, config.view, axis)
        stride = 2**recipe.depth
        voxels = math.prod(max(-(-n // stride), 2) * stride for n in piece) * min(recipe.batch_slices, count)
        widths = [recipe.width * 2**level for level in range(recipe.depth + 1)]
        kernel = 3**n_dims
        weights = kernel * sum(a * b + b * b for a, b in zip([inputs, *widths], widths, strict=False))
        weights += sum(below * w + kernel * 3 * w * w for below, w in zip(widths[1:], widths, strict=False))
        features = sum(w * voxels / 2 ** (n_dims * level) for level, w in enumerate(widths))
        return cls(n_dims, weights + recipe.width * config.n_classes, features + inputs * voxels / 4)


def _form(config: FitConfig) -> Form | None:
    if config.method == "auto":
        return "blindspot" if config.refine else None
    return config.method if config.method in ("deepg", "deepsvg", "blindspot") else None


def _starts(recipe: Recipe) -> bool:
    return bool(recipe.warm_steps or recipe.means != "free" or recipe.mean_weight)
