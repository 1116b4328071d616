"""Write pictures as PNG."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from napari_gmmseg.errors import NO_SPACE, OutputError, ResourceError
from napari_gmmseg.figures.drawing import Picture


def save_picture(path: str | Path, picture: Picture) -> Path:
    """Write a picture as PNG: beside its target first, then moved there, so that no half file is left.

    Parameters
    ----------
    path : path
        Target, ending in .png; a file that is there is replaced.
    picture : ndarray (H, W, 3) uint8
        Red, green, blue.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OutputError
        Where it is no picture or no PNG, or the target cannot be written.
    ResourceError
        Where the disk is full.
    """
    path = Path(path)
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3 or not array.size:
        raise OutputError(
            f"An array of shape {array.shape} and type {array.dtype} is no picture.", "Give (H, W, 3) uint8."
        )
    if path.suffix.lower() != ".png":
        raise OutputError(f"Pictures are written as PNG, and {path.name} is called otherwise.", "Let it end in .png.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            partial = Path(folder) / path.name
            Image.fromarray(array).save(partial, format="PNG")
            partial.replace(path)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise ResourceError(
                f"The disk is full: {path} was not written.", "Make room, or name another folder."
            ) from error
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Choose a folder that exists, that you may write to, and that has space left.",
        ) from error
    return path
