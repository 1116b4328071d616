"""Take down what is chosen, so that it can be read on another thread."""

from __future__ import annotations

from typing import Any

from napari_gmmseg.config import PRESETS
from napari_gmmseg.config.preparation import MASK_WORDS
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.segment import wording
from napari_gmmseg.docks.segment.case import CaseInputs, config_of
from napari_gmmseg.docks.segment.choices import Choices
from napari_gmmseg.plugin.masks import region_from_shapes
from napari_gmmseg.plugin.slices import shown_place
from napari_gmmseg.plugin.snapshots import LayerSnapshot, take_snapshot


def missing(choices: Choices) -> Message | None:
    """Say what has to be chosen first; None where nothing has.

    Parameters
    ----------
    choices : Choices
        All that is chosen.
    """
    if not any(i.chosen for i in choices.images):
        return wording.NO_IMAGE if not choices.images else wording.NONE_CHOSEN
    if choices.asks_region and choices.region is None and choices.mask in MASK_WORDS:
        return wording.REGION_WANTED
    return None


def take_down(viewer: Any, choices: Choices) -> tuple[CaseInputs, Any]:
    """Return what is chosen, and the layer of the first channel; quick, for the GUI thread.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        With the layers.
    choices : Choices
        All that is chosen; nothing is missing.

    Raises
    ------
    GmmsegError
        Where a layer cannot be taken, or a setting is out of bounds.
    """
    chosen = [i for i in reversed(choices.images) if i.chosen]
    layers = {id(layer): layer for layer in viewer.layers}
    images = tuple(take_snapshot(layers[i.key]) for i in chosen)
    image = layers[chosen[0].key]
    mask = choices.mask if isinstance(choices.mask, str) else take_snapshot(layers[choices.mask])
    inputs = CaseInputs(
        images=images,
        contrasts=tuple(i.contrast for i in chosen),
        mask=mask,
        region=_region(choices, layers, images[0]),
        axis4=choices.axis4 or None,
        preset=PRESETS[choices.preset],
        config=config_of(choices),
        shown=shown_place(viewer.dims, image),
        wants_maps=choices.wants_maps,
    )
    return inputs, image


def _region(choices: Choices, layers: dict[int, Any], image: LayerSnapshot) -> LayerSnapshot | None:
    if choices.region is None or not choices.asks_region:
        return None
    layer = layers[choices.region]
    return region_from_shapes(layer, image) if type(layer).__name__ == "Shapes" else take_snapshot(layer)
