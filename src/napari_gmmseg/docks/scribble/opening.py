"""From the layers of a viewer to the case that is painted on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.segment.case import CaseInputs, Opened, open_in_steps
from napari_gmmseg.docks.segment.choices import Choices
from napari_gmmseg.docks.segment.defaults import is_image
from napari_gmmseg.docks.segment.layer_list import offer
from napari_gmmseg.docks.segment.taking_down import missing, take_down
from napari_gmmseg.session import SegmentationRequest, Steps

NO_IMAGE = Message("There is no image to paint on.", "Open one, or choose its layer in the list.")


def case_to_paint(viewer: Any) -> tuple[CaseInputs, Any] | Message:
    """Return what is painted on, and its first channel: the chosen image, else the newest, with the rest of its case.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        With the layers.

    Raises
    ------
    GmmsegError
        Where a layer cannot be taken.
    """
    layers = list(viewer.layers)
    if not any(is_image(layer) for layer in layers):
        return NO_IMAGE
    choices = offer(layers, Choices(), choose=True)
    active = viewer.layers.selection.active
    if active is not None and is_image(active) and not any(i.chosen and i.key == id(active) for i in choices.images):
        others = [layer for layer in layers if layer is not active]
        choices = offer([*others, active], Choices(), choose=True)
    if choices.asks_region and choices.region is None:
        # Strokes say where to look; no region has to be drawn first.
        choices = replace(choices, mask="none")
    wanting = missing(choices)
    return take_down(viewer, choices) if wanting is None else wanting


def case_in_steps(inputs: CaseInputs, before: SegmentationRequest | None) -> Steps[Opened]:
    """Read a case, as a generator for a job; one whose image the session has goes on with all that was done there.

    Parameters
    ----------
    inputs : CaseInputs
        What is painted on.
    before : SegmentationRequest or None
        What the session has.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Opened
        The case.
    """
    opened = yield from open_in_steps(inputs, before)
    if before is None or opened.how == "again":
        return opened
    ours, theirs = opened.request.volume, before.volume
    same = (
        ours.data.shape == theirs.data.shape
        and np.array_equal(ours.geometry.affine, theirs.geometry.affine)
        and np.array_equal(ours.data, theirs.data, equal_nan=True)
    )
    return replace(opened, how="again") if same else opened
