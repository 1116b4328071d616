"""Clean up a result: islands smaller than a length take the class around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_gmmseg.volumes import Segmentation


def remove_islands(segmentation: Segmentation, smaller_than_mm: float) -> Segmentation:
    """Return a result whose islands smaller than a length have the class that surrounds them; what went is a finding.

    Parameters
    ----------
    segmentation : Segmentation
        Of `segment`.
    smaller_than_mm : float
        Width of the smallest region that is believed, in mm.

    Raises
    ------
    SettingsError
        Where the length is no positive number, or no voxel size is known.
    """
    from napari_gmmseg.fitting.cleaning import clean, plan_cleaning, windows_of_length

    windows = windows_of_length(segmentation.label_map, smaller_than_mm)
    return clean(segmentation, plan_cleaning(segmentation, windows, islands=True))
