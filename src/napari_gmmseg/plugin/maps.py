"""Probabilities, priors, uncertainty and the proposed brain of a segmentation as what napari adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.presets import MAGENTA
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import KEY
from napari_gmmseg.plugin.shown import LayerData
from napari_gmmseg.volumes import ClassTable, LabelMap, Segmentation, TissueClass

#: What the layer of a proposed brain is called, and known by.
PROPOSED = "proposed brain"


@dataclass(frozen=True)
class ResultMap:
    """One map of a segmentation.

    Parameters
    ----------
    key : str
        Tells the maps of one segmentation apart, and finds the like of another.
    label : str
        What it is, such as "probability GM".
    array : ndarray (*grid) float32
        On the volume's grid.
    colormap : str
        napari's name.
    limits : (low, high)
        What the map's darkest and brightest colour stand for.
    """

    key: str
    label: str
    array: NDArray[np.float32]
    colormap: str
    limits: tuple[float, float] = (0.0, 1.0)


def maps_of(segmentation: Segmentation) -> tuple[ResultMap, ...]:
    """Return what there is: probability, fraction and prior of each class, uncertainty, bias fields; any thread.

    Fractions that are the posterior would be the probabilities once more, and are left out.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    """

    def each(name: str, arrays: NDArray[np.float32], colormap: str) -> list[ResultMap]:
        classes = segmentation.label_map.classes
        return [
            ResultMap(f"{name} {k}", f"{name} {c.abbreviation}", arrays[k], colormap) for k, c in enumerate(classes)
        ]

    maps = each("probability", segmentation.probabilities, "magma")
    if segmentation.fraction_basis != "posterior":
        maps += each("fraction", segmentation.fractions, "plasma")
    if segmentation.prior is not None:
        maps += each("prior", segmentation.prior, "viridis")
    maps.append(ResultMap("uncertainty", "uncertainty", segmentation.uncertainty, "inferno"))
    return (*maps, *_fields(segmentation))


def _fields(segmentation: Segmentation) -> list[ResultMap]:
    """Return the factor by which each channel was too bright; nothing where none was corrected."""
    field = segmentation.bias_field
    if field is None:
        return []
    shape = segmentation.label_map.labels.shape
    maps = []
    for c, factor in enumerate(field.whole(shape)):
        label = "bias field" if len(field.coefficients) == 1 else f"bias field {c + 1}"
        limits = (float(factor.min()), max(float(factor.max()), float(factor.min()) + 1e-3))
        maps.append(ResultMap(f"bias {c}", label, np.broadcast_to(factor, shape), "gray", limits))
    return maps


def map_layer(
    result_map: ResultMap, label_map: LabelMap, grid: LayerGrid, place: Mapping[str, Any], name: str
) -> LayerData:
    """Return an Image layer, hidden, that shows a map.

    Parameters
    ----------
    result_map : ResultMap
        The map.
    label_map : LabelMap
        The segmentation's, on whose grid it is saved.
    grid : LayerGrid
        The order of the layer's axes.
    place : mapping
        From `display_of` or `display_like`.
    name : str
        Beginning of its name.
    """
    settings = {
        "name": f"{name} {result_map.label}",
        "colormap": result_map.colormap,
        "blending": "additive",
        "contrast_limits": result_map.limits,
        "visible": False,
        "metadata": {KEY: {"label_map": label_map, "grid": grid, "role": "map"}},
        **place,
    }
    return grid.to_layer(result_map.array), settings, "image"


def proposed_brain_layer(
    segmentation: Segmentation, grid: LayerGrid, place: Mapping[str, Any], name: str
) -> LayerData | None:
    """Return a Labels layer, hidden, with the brain that was proposed in a whole head; None where none was.

    Parameters
    ----------
    segmentation : Segmentation
        The result; its mask is the brain.
    grid : LayerGrid
        The order of the layer's axes.
    place : mapping
        From `display_of` or `display_like`.
    name : str
        Beginning of its name.
    """
    if not any(finding.code == "proposed-brain" for finding in segmentation.findings):
        return None
    like = segmentation.label_map
    brain = ClassTable((TissueClass(1, "Brain", "brain", MAGENTA),))
    label_map = LabelMap(segmentation.mask.astype(np.uint8), like.geometry, brain, like.source)
    settings = {
        "name": f"{name} {PROPOSED}",
        "opacity": 0.4,
        "visible": False,
        "metadata": {KEY: {"label_map": label_map, "grid": grid, "role": PROPOSED}},
        **place,
    }
    # Its own array: a person paints on it.
    return np.array(grid.to_layer(label_map.labels)), settings, "labels"
