"""Flags of `napari-gmmseg segment` in groups, so that its help stays readable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import tyro

from napari_gmmseg.cli.settings import about, otherwise
from napari_gmmseg.config import FitConfig, PreparationConfig
from napari_gmmseg.config.deep import Gradient, Precision, RecipeName, View
from napari_gmmseg.config.fit import Bias, CovarianceChoice, Means
from napari_gmmseg.config.outlier import OutlierMode, OutlierUnit
from napari_gmmseg.config.preparation import MASK_WORDS
from napari_gmmseg.errors import SettingsError

_Files = tyro.conf.UseAppendAction[tuple[Path, ...]]
_RECIPE = "default: from the recipe"


@dataclass(frozen=True)
class NamedFlags:
    """Channels by their contrast."""

    t1: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A T1-weighted channel.")] = ()
    t1gd: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A T1-weighted channel with gadolinium.")] = ()
    t2: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A T2-weighted channel.")] = ()
    flair: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A FLAIR channel.")] = ()
    pd: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A proton-density channel.")] = ()
    contrast: Annotated[
        str | None,
        otherwise("default: from headers, names and preset", "Contrast of each positional file.", "T1,FLAIR,..."),
    ] = None

    def named(self) -> dict[str, tuple[Path, ...]]:
        """Return the files that were given by their contrast."""
        return {"t1": self.t1, "t1gd": self.t1gd, "t2": self.t2, "flair": self.flair, "pd": self.pd}


@dataclass(frozen=True)
class ReadingFlags:
    """What a file leaves open."""

    axis4: Annotated[
        Literal["time", "channel"] | None,
        otherwise("default: refuse a fourth axis", "What a fourth axis is; never guessed."),
    ] = None
    frame: Annotated[
        int | None, otherwise("default: all", "The one position on the fourth axis to use, from 0.", "N")
    ] = None
    series: Annotated[
        str | None,
        otherwise("default: the largest original one", "DICOM series to use, where a folder holds several.", "SERIES"),
    ] = None
    resample: Annotated[bool, tyro.conf.arg(help="Resample channels and masks on other grids to the first one's.")] = (
        False
    )
    spacing: Annotated[
        tuple[float, ...] | None,
        otherwise("default: as the file tells", "Voxel size in mm, for images that tell none.", "[DZ] DY DX"),
    ] = None

    def reading(self) -> dict[str, Any]:
        """Return what `api.read` takes."""
        names = ("axis4", "frame", "series", "resample", "spacing")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class ChannelFlags(ReadingFlags, NamedFlags):
    """Channels by their contrast, and what a file leaves open."""


@dataclass(frozen=True)
class PlaceFlags:
    """Where to fit."""

    mask: Annotated[str, about(PreparationConfig, "mask", metavar="auto|none|deepbet|FILE")] = PreparationConfig.mask
    region: Annotated[
        Path | None, otherwise("default: everywhere", "Mask of where to look, e.g. the left ventricle.", "FILE")
    ] = None
    box: Annotated[
        tuple[int, int, int, int, int, int] | None,
        about(PreparationConfig, "box", "default: everywhere", metavar="Z0 Y0 X0 Z1 Y1 X1"),
    ] = None
    disc: Annotated[
        tuple[float, float, float] | None,
        about(PreparationConfig, "disc", "default: everywhere", metavar="Y X RADIUS"),
    ] = None

    def files(self) -> tuple[Path, ...]:
        """Return the files that tell where to look."""
        mask = () if self.mask in MASK_WORDS else (Path(self.mask),)
        return mask if self.region is None else (*mask, self.region)


@dataclass(frozen=True)
class MapFlags:
    """What else to write beside the mask."""

    probabilities: Annotated[
        Path | None, otherwise("default: not written", "Write the probabilities here, one volume a class.", "FILE")
    ] = None
    uncertainty: Annotated[
        Path | None, otherwise("default: not written", "Write 1 - the largest probability here.", "FILE")
    ] = None
    prior: Annotated[
        Path | None,
        otherwise(
            "default: not written",
            "Write the network's prior here, one volume a class: what it expects at a voxel before the voxel's own "
            "intensity. From deepsvg, blindspot, and auto where it refines.",
            "FILE",
        ),
    ] = None


@dataclass(frozen=True)
class FitMapFlags(MapFlags):
    """What else to write beside the mask of a fit."""

    bias_field_out: Annotated[
        Path | None,
        otherwise(
            "default: not written",
            "Write the bias field here, where one was found: the factor by which each channel is too bright.",
            "FILE",
        ),
    ] = None

    def targets(self) -> dict[str, Path | None]:
        """Return the files, as `api.write` names them."""
        return {name.removesuffix("_out"): path for name, path in vars(self).items()}


@dataclass(frozen=True)
class ScribbleFlags:
    """Strokes that tell the classes, or that correct a finished mask."""

    scribbles: Annotated[
        Path | None,
        otherwise(
            "default: classes from intensities",
            "Strokes: a label image on the image's grid (0 unlabelled, 1 ... K, 255 left out) or JSON.",
            "FILE",
        ),
    ] = None
    background: Annotated[
        int | None, otherwise("default: no class", "The class of the strokes that is 0 in the mask.", "VALUE")
    ] = None
    init: Annotated[
        Path | None,
        otherwise(
            "default: from the strokes alone", "A finished mask: strokes correct it, without them it stays.", "FILE"
        ),
    ] = None

    def files(self) -> tuple[Path, ...]:
        """Return the files that are read."""
        return tuple(path for path in (self.scribbles, self.init) if path is not None)


@dataclass(frozen=True)
class MixtureFlags:
    """How a mixture is fitted; defaults are what measured best."""

    covariance: Annotated[CovarianceChoice, about(FitConfig, "covariance")] = FitConfig.covariance
    means: Annotated[Means | None, about(FitConfig, "means", "default: as measured best")] = FitConfig.means
    beta: Annotated[float | None, about(FitConfig, "neighbour_weight", "default: from the noise in the image")] = (
        FitConfig.neighbour_weight
    )
    tolerance: Annotated[float, about(FitConfig, "tolerance")] = FitConfig.tolerance
    bias_field: Annotated[Bias, about(FitConfig, "bias_field")] = FitConfig.bias_field


@dataclass(frozen=True)
class OutlierFlags:
    """Regions too small to be believed, kept out of what a network learns."""

    outlier: Annotated[
        tuple[int, int] | None,
        otherwise(
            f"default: {FitConfig.outlier_inner} {FitConfig.outlier_outer}",
            "Windows i and j of the outlier-region loss, odd: regions up to i wide learn the classes around them. "
            "Without --outlier-weight, the weight is 1.",
            "I J",
        ),
    ] = None
    outlier_weight: Annotated[
        float | None, about(FitConfig, "outlier_weight", "default: 0, or 1 where --outlier is given")
    ] = None
    outlier_unit: Annotated[OutlierUnit, about(FitConfig, "outlier_unit")] = FitConfig.outlier_unit
    outlier_ramp: Annotated[float, about(FitConfig, "outlier_ramp")] = FitConfig.outlier_ramp

    def settings(self) -> dict[str, Any]:
        """Return the settings of the outlier-region loss."""
        told = {name: value for name, value in vars(self).items() if name not in ("outlier", "remove_islands")}
        inner, outer = self.outlier or (FitConfig.outlier_inner, FitConfig.outlier_outer)
        weight = float(self.outlier is not None) if self.outlier_weight is None else self.outlier_weight
        return told | {"outlier_inner": inner, "outlier_outer": outer, "outlier_weight": weight}


@dataclass(frozen=True)
class IslandFlags(OutlierFlags):
    """Regions too small to be believed: kept out of what a network learns, or taken out of the mask."""

    outlier_mode: Annotated[OutlierMode, about(FitConfig, "outlier_mode")] = FitConfig.outlier_mode
    remove_islands: Annotated[
        float | None,
        otherwise(
            "default: none",
            "After the fit, with any method: regions smaller than this many mm take the class around them. What goes "
            "is told.",
            "MM",
        ),
    ] = None


@dataclass(frozen=True)
class DeepFlags:
    """How a network is fitted: for deepg, deepsvg, blindspot, and auto where it refines."""

    recipe: Annotated[RecipeName | None, about(FitConfig, "recipe", f"default: {FitConfig.recipe}")] = None
    preset_paper: Annotated[
        bool, otherwise("default: no", "The paper's hyper-parameters: the same as --recipe paper.")
    ] = False
    refine: Annotated[bool, about(FitConfig, "refine", "default: it refines")] = FitConfig.refine
    warm_steps: Annotated[int | None, about(FitConfig, "warm_steps", _RECIPE, metavar="N")] = None
    learning_rate: Annotated[float | None, about(FitConfig, "learning_rate", _RECIPE)] = None
    mean_weight: Annotated[float | None, about(FitConfig, "mean_weight", _RECIPE)] = None
    smoothness: Annotated[float | None, about(FitConfig, "smoothness", _RECIPE)] = None
    gradient: Annotated[Gradient | None, about(FitConfig, "gradient", _RECIPE)] = None
    hidden_share: Annotated[float | None, about(FitConfig, "hidden_share", _RECIPE)] = None
    own_intensity: Annotated[float | None, about(FitConfig, "own_intensity", _RECIPE)] = None
    view: Annotated[View, about(FitConfig, "view")] = FitConfig.view
    width: Annotated[int | None, about(FitConfig, "width", _RECIPE, metavar="N")] = None
    depth: Annotated[int | None, about(FitConfig, "depth", _RECIPE, metavar="N")] = None
    precision: Annotated[Precision, about(FitConfig, "precision")] = FitConfig.precision

    def settings(self) -> dict[str, Any]:
        """Return the fields of `FitConfig` that they set.

        Raises
        ------
        SettingsError
            Where --preset-paper and --recipe contradict each other.
        """
        told = dict(vars(self))
        if told.pop("preset_paper"):
            if self.recipe not in (None, "paper"):
                raise SettingsError(
                    f"--preset-paper is --recipe paper, and --recipe {self.recipe} was given too.",
                    "Give one of the two.",
                )
            told["recipe"] = "paper"
        return told | {"recipe": told["recipe"] or FitConfig.recipe}


class FitFlags(Protocol):
    """What a command has that fits mixtures."""

    @property
    def method(self) -> str:
        """How labels are found."""

    @property
    def classes(self) -> int | None:
        """Number of classes."""

    @property
    def steps(self) -> int | None:
        """Steps at most."""

    @property
    def seed(self) -> int:
        """Same seed, same mask."""

    @property
    def device(self) -> str:
        """Where to compute."""

    @property
    def threads(self) -> int | None:
        """Processor threads."""

    @property
    def mixture(self) -> MixtureFlags:
        """How a mixture is fitted."""

    @property
    def deep(self) -> DeepFlags:
        """How a network is fitted."""

    @property
    def islands(self) -> IslandFlags:
        """What is kept out of it."""


def fit_settings(flags: FitFlags) -> dict[str, Any]:
    """Return the fields of `FitConfig` that flags set, as `api.segment` names them.

    Parameters
    ----------
    flags : FitFlags
        A command.

    Raises
    ------
    SettingsError
        Where flags contradict each other.
    """
    return {
        "method": flags.method,
        "n_classes": flags.classes,
        "covariance": flags.mixture.covariance,
        "means": flags.mixture.means,
        "neighbour_weight": flags.mixture.beta,
        "tolerance": flags.mixture.tolerance,
        "bias_field": flags.mixture.bias_field,
        "max_steps": flags.steps,
        "seed": flags.seed,
        "device": flags.device,
        "threads": flags.threads,
        **flags.deep.settings(),
        **flags.islands.settings(),
    }
