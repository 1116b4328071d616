"""What a person can choose in the Segment dock, and what the dock shows: plain data between presenter and view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_gmmseg.config.preparation import MaskWord
from napari_gmmseg.plugin.contrasts import CONTRAST_NAMES

MethodChoice = Literal["auto", "quick", "advanced"]
Axis4Choice = Literal["", "time", "channel"]

#: Contrasts to choose from beside an image, as shown.
CONTRASTS = {"": "?", **CONTRAST_NAMES}


@dataclass(frozen=True)
class LayerChoice:
    """A layer to choose.

    Parameters
    ----------
    key : int
        Tells the layer among the viewer's, whatever its name.
    name : str
        For the person.
    """

    key: int
    name: str


@dataclass(frozen=True)
class ImageChoice(LayerChoice):
    """An image to choose as a channel.

    Parameters
    ----------
    chosen : bool
        Whether it is a channel.
    contrast : str
        One of `CONTRASTS`.
    """

    chosen: bool = False
    contrast: str = ""


@dataclass(frozen=True)
class Choices:
    """All that is chosen.

    Parameters
    ----------
    images : tuple of ImageChoice
        Image layers, newest first.
    masks, regions : tuple of LayerChoice
        Layers that can say where to look.
    mask : "auto", "none", "deepbet" or int
        Mask mode, or a layer's key.
    region : int or None
        Key of the layer that says where to look; None for none.
    axis4 : "", "time" or "channel"
        What a fourth axis is; "" until it is said.
    asks_axis4, asks_region : bool
        Whether these two matter for what is chosen.
    preset : str
        Name of the preset.
    method : "auto", "quick" or "advanced"
        How to fit; "advanced" takes the fields of `advanced`.
    n_classes : int
        Number of classes K.
    advanced : mapping of str to object
        Fields of `FitConfig`.
    wants_maps : bool
        Whether probabilities and uncertainty are shown too.
    """

    images: tuple[ImageChoice, ...] = ()
    masks: tuple[LayerChoice, ...] = ()
    regions: tuple[LayerChoice, ...] = ()
    mask: MaskWord | int = "auto"
    region: int | None = None
    axis4: Axis4Choice = ""
    asks_axis4: bool = False
    asks_region: bool = False
    preset: str = "brain-t1"
    method: MethodChoice = "auto"
    n_classes: int = 3
    advanced: Mapping[str, Any] = field(default_factory=dict)
    wants_maps: bool = False


@dataclass(frozen=True)
class Controls:
    """Which buttons can be pressed.

    Parameters
    ----------
    run, pause, stop, cancel, save, keep, keep_spatial : bool
        Whether each can be pressed.
    paused : bool
        Whether Pause says Resume.
    busy : bool
        Whether a job is alive: choices that it cannot take up then rest.
    """

    run: bool = False
    pause: bool = False
    stop: bool = False
    cancel: bool = False
    save: bool = False
    keep: bool = False
    keep_spatial: bool = False
    paused: bool = False
    busy: bool = False


@dataclass(frozen=True)
class ClassRow:
    """One line of the table of volumes.

    Parameters
    ----------
    name : str
        Of the class.
    colour : (r, g, b)
        Each 0 ... 1.
    amount : str
        Volume in ml, or voxels where there is no spacing, with the unit.
    share : str
        Of all classes, in percent, without the sign.
    """

    name: str
    colour: tuple[float, float, float]
    amount: str
    share: str


@dataclass(frozen=True)
class ChangeRow:
    """One line of the table of what a refinement changed.

    Parameters
    ----------
    name : str
        Of the class.
    colour : (r, g, b)
        Each 0 ... 1.
    amount : str
        How much larger it became, in ml, or voxels where there is no spacing, with sign and unit.
    percent : str
        The same in percent of what it was, with sign and unit.
    tip : str
        How many voxels it gained and lost.
    """

    name: str
    colour: tuple[float, float, float]
    amount: str
    percent: str
    tip: str


@dataclass(frozen=True)
class KeptRow:
    """One line of the list of kept results.

    Parameters
    ----------
    name : str
        What it is kept as.
    amounts : str
        Volume of each class, in ml, or voxels where there is no spacing.
    dice : str
        How far it overlaps with the current result; empty where that is not known.
    tip : str
        All of it in words, with names.
    """

    name: str
    amounts: str
    dice: str
    tip: str


@dataclass(frozen=True)
class AgreementRow:
    """One line of the table that compares two results.

    Parameters
    ----------
    name : str
        Of the class.
    colour : (r, g, b)
        Each 0 ... 1.
    amount_a, amount_b : str
        Its volume in both, without the unit.
    dice : str
        How far both overlap.
    """

    name: str
    colour: tuple[float, float, float]
    amount_a: str
    amount_b: str
    dice: str
