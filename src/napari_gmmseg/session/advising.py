"""Where a stroke would help next, how unsure a result is, and whether to believe its probabilities: in steps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.session.segmenting import SegmentationRequest
from napari_gmmseg.volumes import Command, FitReport, NetworkWeights, Scribbles, Segmentation

if TYPE_CHECKING:
    from napari_gmmseg.quality.calibration import Calibration
    from napari_gmmseg.quality.next_spot import Advice

#: What a result's probabilities say of how unsure it is, and all that can be shown.
OfResult = Literal["entropy", "margin"]
Doubt = Literal["entropy", "margin", "disagreement"]

#: A disagreement, over log K, that is never shown as brightest.
_LEAST_SCALE = 0.01


@dataclass(frozen=True)
class DoubtMap:
    """How unsure a result is.

    Parameters
    ----------
    kind : "entropy", "margin" or "disagreement"
        Entropy over log K, 1 less the lead of the likeliest class over the second, or how far the snapshots of a
        fine-tuned network disagree, over log K.
    values : ndarray (*grid) float32
        0 = sure, 1 = not at all; 0 outside the mask.
    most : float
        What is shown as brightest.
    """

    kind: Doubt
    values: NDArray[np.float32]
    most: float = 1.0


def advice_in_steps(
    result: Segmentation, scribbles: Scribbles, n: int = 5
) -> Generator[FitReport, Command | None, Advice]:
    """Look for the places where a stroke would help most, as a generator for a job.

    Parameters
    ----------
    result : Segmentation
        The result at hand.
    scribbles : Scribbles
        Strokes so far.
    n : int
        Places at most.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Advice
        Best first.
    """
    from napari_gmmseg.quality.next_spot import next_spots

    yield FitReport("Looking where to paint", 0, 0)
    label_map = result.label_map
    known = tuple(s for s in scribbles.strokes if s.value in (*label_map.classes.values, 0, 255))
    background = scribbles.background if scribbles.background in label_map.classes.values else None
    told = replace(scribbles, classes=label_map.classes, strokes=known, background=background)
    return next_spots(result.probabilities, result.mask, told, label_map.geometry, n)


def doubt_in_steps(
    result: Segmentation, kind: OfResult, calibration: Calibration | None = None
) -> Generator[FitReport, Command | None, DoubtMap]:
    """Work out how unsure a result is, as a generator for a job.

    Parameters
    ----------
    result : Segmentation
        The result at hand.
    kind : "entropy" or "margin"
        What is shown.
    calibration : Calibration or None
        By which its probabilities are corrected first.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    DoubtMap
        On the result's grid.
    """
    from napari_gmmseg.quality.uncertainty import entropy, margin

    yield FitReport("Measuring certainty", 0, 0)
    probabilities = result.probabilities if calibration is None else calibration.apply(result.probabilities)
    if kind == "entropy":
        return DoubtMap(kind, entropy(probabilities, result.mask, normalised=True))
    return DoubtMap(kind, np.asarray(1.0 - margin(probabilities, result.mask), dtype=np.float32))


def disagreement_in_steps(
    engine: Callable[[], tuple[Any, Any, Any]], weights: NetworkWeights
) -> Generator[FitReport, Command | None, DoubtMap]:
    """Work out how far the snapshots of a fine-tuned network disagree on an image, as a generator for a job.

    Parameters
    ----------
    engine : callable
        Returns the image, its mask and scale, and what answers strokes on it.
    weights : NetworkWeights
        With snapshots.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    DoubtMap
        On the image's grid.
    """
    from napari_gmmseg.fitting.scribbling import NetworkSay
    from napari_gmmseg.quality.uncertainty import disagreement

    yield FitReport("Asking the snapshots", 0, 0)
    volume, prepared, _ = engine()
    say = NetworkSay(volume, prepared, weights)
    values = disagreement(say.members(), prepared.mask) / np.float32(np.log(len(weights.classes)))
    # Members of one training agree in most voxels: the scale is theirs.
    return DoubtMap("disagreement", values, max(float(np.percentile(values[prepared.mask], 99.5)), _LEAST_SCALE))


def calibration_in_steps(
    request: SegmentationRequest, scribbles: Scribbles
) -> Generator[FitReport, Command | None, Calibration]:
    """Compare answers with strokes that they have not heard, as a generator for a job.

    Parameters
    ----------
    request : SegmentationRequest
        The image.
    scribbles : Scribbles
        All strokes.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Calibration
        With what it found.
    """
    from napari_gmmseg.quality.calibration import calibrate
    from napari_gmmseg.session.answering import Answering

    yield FitReport("Calibrating", 0, 0)
    _, prepared, at_once = Answering().engine(request)()

    def answer(left: Scribbles) -> Any:
        return at_once.update(left).probabilities

    return calibrate(answer, scribbles, mask=prepared.mask)
