"""From the layers of a viewer to the case that is painted on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_gmmseg.docks.common.sentences import Message, error_message
from napari_gmmseg.docks.segment.case import CaseInputs, Opened, open_in_steps
from napari_gmmseg.docks.segment.choices import Axis4Choice, Choices
from napari_gmmseg.docks.segment.defaults import is_image
from napari_gmmseg.docks.segment.layer_list import offer
from napari_gmmseg.docks.segment.taking_down import missing, take_down
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session import Job, SegmentationRequest, Steps
from napari_gmmseg.session.state import Session

ASKS_AXIS4 = Message(
    "The image has four axes, and it is not said what the fourth is.",
    "Choose time or channels under the button, and press Start scribbling again.",
)
NO_IMAGE = Message("There is no image to paint on.", "Open one, or choose its layer in the list.")


def case_to_paint(viewer: Any, axis4: Axis4Choice = "") -> tuple[CaseInputs, Any] | Message:
    """Return what is painted on, and its first channel: the chosen image, else the newest, with the rest of its case.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        With the layers.
    axis4 : "", "time" or "channel"
        What the fourth axis of an image is that does not say so.

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
    if choices.asks_axis4:
        if not axis4:
            return ASKS_AXIS4
        choices = replace(choices, axis4=axis4)
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


class Opening:
    """Reads what a person wants to paint on; for the GUI thread.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        With the layers.
    session : Session
        Who gets it.
    """

    def __init__(self, viewer: Any, session: Session) -> None:
        self._viewer, self._session = viewer, session
        self._job: Job[Opened] | None = None
        self.image: Any = None
        #: Whether a person has to say what the fourth axis is, and what was said.
        self.asks_axis4 = False
        self.axis4: Axis4Choice = ""

    @property
    def busy(self) -> bool:
        """Whether an image is being read."""
        return self._job is not None

    def begin(self) -> Message | None:
        """Begin to read the chosen image; return why not, where it cannot be."""
        try:
            case = case_to_paint(self._viewer, self.axis4)
        except GmmsegError as error:
            return error_message(error)
        if isinstance(case, Message):
            self.asks_axis4 = case is ASKS_AXIS4
            return case
        inputs, self.image = case
        self.asks_axis4 = False
        before = self._session.request
        self._job = Job(lambda: case_in_steps(inputs, before), name="reading")
        self._job.start()
        return None

    def poll(self) -> Opened | Message | None:
        """Return what was read, or why nothing was; None as long as neither is so."""
        job = self._job
        if job is None or not job.state.ended:
            return None
        self._job = None
        if job.result is None:
            return Message("Nothing was read.") if job.error is None else error_message(job.error)
        if job.result.how == "anew" or self._session.request is None:
            self._session.open(job.result.request)
        return job.result

    def shut_down(self) -> None:
        """Let go of what is read."""
        if self._job is not None:
            self._job.cancel()
