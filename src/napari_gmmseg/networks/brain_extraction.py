"""Cut the brain out of a T1-weighted head by deepbet: an extra, imported here alone and only when it is asked for."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import MissingLibraryError

#: Share from which on a voxel is brain: the library's own.
_THRESHOLD = 0.5


def extract_brain(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the brain of a T1-weighted head, by the network of Fisch et al. (Computers in Biology and Medicine, 2024).

    It was trained on heads of healthy adults. It runs on the processor, so that the same image has the same mask.

    Parameters
    ----------
    image : ndarray (Z, Y, X) float32
        Intensities, finite; (z, y, x) is about (superior, anterior, right).

    Returns
    -------
    ndarray (Z, Y, X) bool
        One piece without holes; empty where the network sees no brain.

    Raises
    ------
    MissingLibraryError
        Where the extra is not installed.
    """
    if find_spec("deepbet") is None:
        raise MissingLibraryError(
            "The mask 'deepbet' needs the library deepbet, which is not installed.",
            'Install it: pip install "napari-gmmseg[brain]". Or leave the mask automatic (--mask auto).',
        )
    with warnings.catch_warnings():
        # How the library keeps its network is not a person's concern.
        warnings.simplefilter("ignore")
        from deepbet import BrainExtraction

        engine = BrainExtraction(no_gpu=True)
        try:
            shares = engine.run_model(np.ascontiguousarray(image.T))
            found = engine.postprocess(shares > _THRESHOLD)
        except (AssertionError, ValueError):
            # It has no other words for an image in which it sees no brain: nothing to frame, or no largest piece.
            return np.zeros(image.shape, dtype=bool)
    return np.ascontiguousarray(np.asarray(found, dtype=bool).T)
