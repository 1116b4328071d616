"""From keywords to settings, with pydantic's complaints as one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from napari_gmmseg.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gmmseg.config import Box, Disc, FitConfig, PreparationConfig
    from napari_gmmseg.config.preparation import MaskMode
    from napari_gmmseg.volumes import Finding, LabelMap

PathLike = str | os.PathLike[str]
Result = TypeVar("Result")

#: Fields of the settings whose flag has another name.
_FLAGS = {"n_classes": "classes", "max_steps": "steps", "neighbour_weight": "beta", "refine": "no-refine"}
_FLAGS |= dict.fromkeys(("outlier_inner", "outlier_outer"), "outlier")
#: Complaints of pydantic that a person would not understand.
_REASONS = {"string_pattern_mismatch": "is none of the known ones", "unexpected_keyword_argument": "is not known"}


def fit_config(values: dict[str, Any]) -> FitConfig:
    """Return the settings of a fit, those of a deep method checked against each other.

    Parameters
    ----------
    values : dict of str to object
        Fields of `napari_gmmseg.config.FitConfig`.

    Raises
    ------
    SettingsError
        Where a value will not do, or two of them contradict each other.
    """
    from napari_gmmseg.config import FitConfig
    from napari_gmmseg.config.recipes import recipe_for

    config = validated(lambda: FitConfig(**values))
    if config.method in ("deepg", "deepsvg", "blindspot"):
        recipe_for(config, config.method)
    if config.method == "auto" and config.refine and config.recipe != "tuned":
        raise SettingsError(
            f"The recipe {config.recipe!r} is for deepg and deepsvg, and the method auto chooses among others.",
            "Add --method deepsvg (or deepg).",
        )
    return config


def settings_without_effect(config: FitConfig, method: str) -> tuple[Finding, ...]:
    """Return a note where settings of the deep mixtures were given that the method did not use.

    Parameters
    ----------
    config : FitConfig
        What was asked for.
    method : str
        What "auto" turned out to be, else the method asked for.
    """
    from napari_gmmseg.config.bounds import field_of
    from napari_gmmseg.config.deep import DeepSettings
    from napari_gmmseg.config.outlier import FitOutlierSettings, OutlierSettings
    from napari_gmmseg.config.recipes import FORMS
    from napari_gmmseg.volumes import Finding

    owners = (DeepSettings, OutlierSettings, FitOutlierSettings)
    fields = {name: field_of(owner, name) for owner in owners for name in owner.__annotations__}
    given = {name for name, field in fields.items() if getattr(config, name) != field.default}
    idle = given if method not in FORMS else given & {"hidden_share"} if method != "blindspot" else set()
    # Whoever did not want a refinement and got none was heeded.
    idle = idle | (given & {"refine"}) if config.method in FORMS else idle - {"refine"}
    if not idle:
        return ()
    flags = ", ".join(f"{name} (--{_FLAGS.get(name, name.replace('_', '-'))})" for name in sorted(idle))
    hint = "The page of settings tells which method takes which."
    if method not in FORMS:
        hint = "They are for a network: choose --method deepsvg or blindspot, or leave them out."
    return (Finding("settings-without-effect", f"Without effect on the method {method}: {flags}.", hint, "note"),)


def preparation_config(
    mask: PathLike | NDArray[Any] | LabelMap | None,
    box: tuple[int, int, int, int, int, int] | None,
    disc: tuple[float, float, float] | None,
) -> PreparationConfig:
    """Return what comes before a fit.

    Parameters
    ----------
    mask : "auto", "none", "deepbet", path, ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
        Where to look; None counts as "none".
    box : (z0, y0, x0, z1, y1, x1) or None
        In voxels, stop exclusive.
    disc : (y, x, radius) or None
        In voxels.

    Raises
    ------
    SettingsError
        Where a value will not do.
    """
    from napari_gmmseg.config import PreparationConfig
    from napari_gmmseg.config.preparation import MASK_WORDS

    mode: MaskMode = "given"
    if mask is None:
        mode = "none"
    elif isinstance(mask, str) and mask in MASK_WORDS:
        mode = cast("MaskMode", mask)
    return validated(lambda: PreparationConfig(mask=mode, box=_box(box), disc=_disc(disc)))


def or_words() -> str:
    """Return what a mask can be beside a file, for a sentence that goes on with the file."""
    from napari_gmmseg.config.preparation import MASK_WORDS

    return f"{', '.join(MASK_WORDS)}, or "


def validated(make: Callable[[], Result], owner: type | None = None, command: str = "segment") -> Result:
    """Return what `make` makes from pydantic dataclasses, with their complaints as one sentence.

    Parameters
    ----------
    make : callable
        Makes the settings.
    owner : type or None
        The settings' class, whose fields tell the hint; None: `FitConfig`.
    command : str
        Whose help lists them.

    Raises
    ------
    SettingsError
        Where a value is out of bounds, of another type, or unknown.
    """
    from pydantic import ValidationError

    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else error.title
        flag = _FLAGS.get(name, name.replace("_", "-"))
        what = first["msg"].removeprefix("Input ").rstrip(".").lower()
        raise SettingsError(
            f"The setting {name} (--{flag}) cannot be {first['input']!r}: it {_REASONS.get(first['type'], what)}.",
            _about_field(name, owner) or f"Check its name and value; `napari-gmmseg {command} --help` lists them.",
        ) from error


def _about_field(name: str, owner: type | None) -> str:
    """Return what the settings tell of one of their fields, with its bounds; "" for an unknown one."""
    from napari_gmmseg.config import FitConfig
    from napari_gmmseg.config.bounds import bounds_of

    field = (owner or FitConfig).__pydantic_fields__.get(name)  # type: ignore[attr-defined]
    if field is None:
        return ""
    bounds = bounds_of(field)
    return f"{field.title}: {field.description}{f' It is {bounds}.' if bounds else ''}"


def _box(corners: tuple[int, int, int, int, int, int] | None) -> Box | None:
    from napari_gmmseg.config import Box

    return None if corners is None else Box(start=corners[:3], stop=corners[3:])


def _disc(values: tuple[float, float, float] | None) -> Disc | None:
    from napari_gmmseg.config import Disc

    return None if values is None else Disc(centre=values[:2], radius=values[2])
