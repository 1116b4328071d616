"""Sentences of the Histogram dock."""

from __future__ import annotations

from napari_gmmseg.docks.common.sentences import Message

NOTHING = Message(
    "There is no image in the session yet.",
    "Press Run in the Segment dock: its intensities and the Gaussians of its classes are then shown here.",
)
COUNTING = Message("Counting intensities.")
NO_CLASSES = Message("The Gaussians come with the first step of the fit.")
NOT_RUN = Message("There are no Gaussians yet.", "Press Run in the Segment dock.")
NO_VOXELS = Message("No voxel of this region lies within the mask.", "Show another slice, or choose another region.")
NO_LAYER = Message("The layer of this region was removed; the shown slice is counted instead.")
NO_PLACE = Message(
    "The result's layer was removed, so that voxels cannot be shown in their place.", "Run again.", "warning"
)

SLICE, VOLUME = ("slice", "Shown slice"), ("volume", "Volume")


def selected_in_words(n_voxels: int, ml: float | None, layer: str) -> str:
    """Return how much was selected, and where it is shown.

    Parameters
    ----------
    n_voxels : int
        Voxels.
    ml : float or None
        Their volume in ml; None where it is not known.
    layer : str
        Name of the layer.
    """
    if not n_voxels:
        return "No voxel has these intensities."
    much = "1 voxel" if n_voxels == 1 else f"{n_voxels:,} voxels"
    size = "" if ml is None else f" ({ml:.3g} ml)"
    return f"{much} selected{size}, shown in the layer {layer!r}."
