"""The average brain that ships: tissue maps of the MNI152 space."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from napari_gmmseg.io.reading import read_channels
from napari_gmmseg.io.sample import sample_path
from napari_gmmseg.volumes import AtlasPrior

TISSUES = ("csf", "gm", "wm")
#: Voxels of no brain around it, so that it can be smoothed.
_MARGIN = 8


@lru_cache(maxsize=1)
def read_atlas() -> AtlasPrior:
    """Return the tissue maps of the sample brain, at 2 mm.

    Raises
    ------
    InputError
        Where the sample data is missing.
    """
    volumes = read_channels([sample_path(f"brain_probability_{name}.nii.gz") for name in TISSUES])
    maps = np.stack([np.pad(volume.data[0], _MARGIN) for volume in volumes])
    affine = volumes[0].geometry.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, _MARGIN)
    return AtlasPrior(TISSUES, maps, replace(volumes[0].geometry, shape=maps.shape[1:], affine=affine))
