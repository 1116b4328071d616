"""Sentences of the Segment dock."""

from __future__ import annotations

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.recipes import FORMS
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.session import JobState, Progress, device_in_words
from napari_gmmseg.volumes import Segmentation

METHODS = {
    "gmm": "Gaussian mixture",
    "svgmm": "spatially variant mixture",
    "spatial": "spatial mixture",
    "deepg": "deepG",
    "deepsvg": "deepSVG",
    "blindspot": "blind-spot network",
}
NO_IMAGE = Message("There is no image.", "Open one: File, Open, or File, Open Sample, GMM Segmentation.")
NONE_CHOSEN = Message("No image is chosen.", "Tick one above; several are channels of one case.")
CANCELLED = Message("Cancelled: everything is as before.")
RESULT_REMOVED = Message("The result layer was removed; the result will be shown when the run ends.")
PAINT_STAYS = Message("What you painted stays with the result that you painted on: switch back to see it.")
RESHAPED = Message(
    "The result layer no longer has the shape of its image, so it cannot show the other result.",
    "Run again to have both.",
    "warning",
)
REGION_WANTED = Message(
    "This preset works inside a left-ventricle region only, and none is chosen.",
    "Draw an ellipse in a Shapes layer, or paint in a Labels layer, and choose it under Region.",
    "warning",
)


def seconds_in_words(seconds: float) -> str:
    """Return a time that is still to wait, rounded as one would say it.

    Parameters
    ----------
    seconds : float
        In s.
    """
    if seconds < 1:
        return "1 s"
    if seconds < 90:
        return f"{round(seconds)} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def progress_in_words(progress: Progress, state: JobState, pausing: bool, config: FitConfig) -> str:
    """Return what a job does, how far it is, how long it takes at most, and where.

    A report knows the steps of its own part only: where another may follow, the time is said to be this part's.

    Parameters
    ----------
    progress : Progress
        The newest report.
    state : JobState
        Where the job stands.
    pausing : bool
        Whether a pause was asked for.
    config : FitConfig
        How it fits.
    """
    report = progress.report
    parts = [report.phase]
    if report.n_steps:
        parts.append(f"step {report.step} of at most {report.n_steps}")
    if state is JobState.PAUSED:
        parts.append("paused")
    elif pausing:
        parts.append("pausing after this step")
    elif state is JobState.STOPPING:
        parts.append("stopping")
    elif progress.remaining is not None:
        longest = f"at most {seconds_in_words(progress.remaining)}"
        parts.append(f"this part {longest}" if _more_follows(report.phase, config) else longest)
    where = device_in_words(config.device)
    if where:
        parts.append(where)
    return " · ".join(parts)


def _more_follows(phase: str, config: FitConfig) -> bool:
    """Whether a network may be trained after what is being done; only its own steps are counted to the end."""
    may_train = config.method in FORMS or (config.method == "auto" and config.refine)
    return may_train and phase.lower() == METHODS["spatial"]


def image_removed(name: str) -> Message:
    """Say that a run lost its image.

    Parameters
    ----------
    name : str
        The layer's name.
    """
    return Message(f"The image layer {name!r} was removed, so the run was cancelled.", "Open it again and press Run.")


def paint_kept(name: str) -> Message:
    """Say that a layer with paint on it was left as it is.

    Parameters
    ----------
    name : str
        The layer's name.
    """
    return Message(f"You had painted on {name!r}: it stays as it is, hidden, and the new result has its own layer.")


def done_in_words(segmentation: Segmentation, *, keeps_base: bool = False) -> str:
    """Say that a run is done, and by which method what is shown was found.

    Parameters
    ----------
    segmentation : Segmentation
        Its result.
    keeps_base : bool
        Whether what it refined is shown in its place.
    """
    method = METHODS.get(segmentation.method, segmentation.method)
    if segmentation.base is not None:
        begun = METHODS.get(segmentation.base.method, segmentation.base.method)
        if keeps_base:
            return f"Done · {begun}, its refinement set aside · {segmentation.base.steps} steps"
        method = f"{begun}, refined by {method}"
    kept = "Stopped, the best so far is kept" if segmentation.stopped else "Done"
    return f"{kept} · {method} · {segmentation.steps} steps"


def saved_in_words(name: str, verified: bool) -> str:
    """Say that a mask is saved.

    Parameters
    ----------
    name : str
        The file's.
    verified : bool
        Whether it is known which side is left.
    """
    doubt = "" if verified else " Geometry unverified: check left and right by eye."
    return f"✓ {name}: saved, re-read and compared.{doubt}"


def with_place(certainty: str, step: int | None) -> str:
    """End the sentence on how sure it is with where it is least so.

    Parameters
    ----------
    certainty : str
        Without a full stop.
    step : int or None
        Where the slider shows it; None where it does not.
    """
    return f"{certainty}." if step is None else f"{certainty}, most of all in slice {step} of the slider."
