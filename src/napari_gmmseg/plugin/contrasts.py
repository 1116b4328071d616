"""The contrast that a layer tells."""

from __future__ import annotations

from typing import Any

from napari_gmmseg.io.contrasts import guess_contrast
from napari_gmmseg.plugin.metadata import volume_of

#: Contrasts as they are written for a person.
CONTRAST_NAMES = {
    "t1": "T1",
    "t2": "T2",
    "flair": "FLAIR",
    "pd": "PD",
    "t1gd": "T1Gd",
    "bssfp": "bSSFP",
    "lge": "LGE",
}


def contrast_of(layer: Any) -> str:
    """Return the contrast that a layer's volume or name tells, or "".

    Parameters
    ----------
    layer : napari.layers.Image
        An image.
    """
    volume = volume_of(layer.metadata)
    known = volume.channels[0] if volume is not None and volume.n_channels == 1 else ""
    return known or guess_contrast(str(layer.name))
