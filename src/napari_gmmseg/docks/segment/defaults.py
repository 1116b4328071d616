"""What the Segment dock chooses by itself: the newest image, its preset, contrasts and region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_gmmseg.config import PRESETS
from napari_gmmseg.plugin.metadata import entry_of, is_region, preset_of

_BRAIN = {"t1", "t2", "flair", "pd"}
_DEFAULT_CLASSES = 3


def is_image(layer: Any) -> bool:
    """Whether a layer can be a channel: an image, and none of our probability maps.

    Parameters
    ----------
    layer : napari.layers.Layer
        A layer.
    """
    return type(layer).__name__ == "Image" and entry_of(layer.metadata).get("role") != "map"


def is_mask(layer: Any) -> bool:
    """Whether a layer can be a mask.

    Parameters
    ----------
    layer : napari.layers.Layer
        A layer.
    """
    return type(layer).__name__ == "Labels"


def can_be_region(layer: Any) -> bool:
    """Whether a layer can say where to look.

    Parameters
    ----------
    layer : napari.layers.Layer
        A layer.
    """
    return type(layer).__name__ in ("Labels", "Shapes")


def preselected(images: Sequence[Any]) -> list[Any]:
    """Return the newest image, with the other channels of its case where it is one of a sample.

    Parameters
    ----------
    images : sequence of napari.layers.Image
        Oldest first.
    """
    if not images:
        return []
    newest = images[-1]
    preset = preset_of(newest.metadata)
    if preset not in PRESETS or len(PRESETS[preset].contrasts) < 2:
        return [newest]
    case = [i for i in images if preset_of(i.metadata) == preset and i.data.shape == newest.data.shape]
    return case[-len(PRESETS[preset].contrasts) :]


def preset_for(chosen: Sequence[Any], contrasts: Sequence[str]) -> str:
    """Guess what kind of image it is.

    Parameters
    ----------
    chosen : sequence of napari.layers.Image
        The channels.
    contrasts : sequence of str
        Their contrasts, "" where not known.
    """
    told = {preset_of(layer.metadata) for layer in chosen}
    if len(told) == 1 and (name := told.pop()) in PRESETS:
        return name
    known = {c for c in contrasts if c}
    if known & {"bssfp", "lge"}:
        return "cardiac"
    if "t1gd" in known and len(chosen) > 1:
        return "glioma"
    if not chosen or min(layer.ndim for layer in chosen) < 3 or not known <= _BRAIN | {"t1gd"}:
        return "custom"
    return "brain-t1" if len(chosen) == 1 else "brain-multi"


def classes_for(preset: str, contrasts: Sequence[str]) -> int:
    """Return the number of classes that a preset expects of an image.

    Parameters
    ----------
    preset : str
        Its name.
    contrasts : sequence of str
        Of the channels.
    """
    classes = PRESETS[preset].classes_in(contrasts)
    return len(classes) if classes is not None else _DEFAULT_CLASSES


def region_for(layers: Sequence[Any]) -> Any | None:
    """Return the newest layer that is a region by its metadata, else the newest Shapes layer, else None.

    Parameters
    ----------
    layers : sequence of napari.layers.Layer
        Oldest first.
    """
    marked = [layer for layer in layers if is_region(layer.metadata)]
    shapes = [layer for layer in layers if type(layer).__name__ == "Shapes"]
    return next(iter([*reversed(marked), *reversed(shapes)]), None)


def expected_contrasts(contrasts: Sequence[str], preset: str) -> tuple[str, ...]:
    """Fill in contrasts that nothing tells with those that a preset expects, in order.

    Parameters
    ----------
    contrasts : sequence of str
        Contrasts of the channels, "" where not known.
    preset : str
        Its name.
    """
    filled = list(contrasts)
    for i, expected in enumerate(PRESETS[preset].contrasts[: len(filled)]):
        if not filled[i] and expected not in filled:
            filled[i] = expected
    return tuple(filled)
