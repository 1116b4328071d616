"""How much memory a run will take, told from the layers' sizes before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_gmmseg.docks.segment.case import config_of
from napari_gmmseg.docks.segment.choices import Choices
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.memory import needed_in_words


def memory_needed(layers: Sequence[Any], choices: Choices) -> str:
    """Return how much memory a run with these choices takes at most, as a sentence; "" where that cannot be told.

    Parameters
    ----------
    layers : sequence of napari.layers.Layer
        Of the viewer.
    choices : Choices
        All that is chosen.
    """
    chosen = {image.key for image in choices.images if image.chosen}
    images = [layer for layer in layers if id(layer) in chosen]
    if not images or getattr(images[0], "multiscale", False):
        return ""
    shape, scale = tuple(images[0].data.shape), tuple(images[0].scale)
    n_channels = len(images)
    if len(shape) == 4 and choices.axis4 == "channel":
        n_channels, shape = shape[0], shape[1:]
    if not 2 <= len(shape) <= 4:
        return ""
    grid = (1,) * (3 - len(shape)) + shape
    spacing = (1.0, 1.0, 1.0, *(abs(float(step)) for step in scale))[-3:]
    try:
        return needed_in_words(grid, n_channels, (spacing[0], spacing[1], spacing[2]), config_of(choices))
    except GmmsegError:
        return ""
