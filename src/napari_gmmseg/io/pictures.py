"""PNG, TIFF and JPEG: pictures without a voxel size."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError, OutputError, ResourceError
from napari_gmmseg.io.grids import RawImage, to_float32
from napari_gmmseg.io.loggers import quiet
from napari_gmmseg.io.sniffing import suffix_of

_TIFF = (".tif", ".tiff")
#: Axis letters of TIFF files: planes of a stack, and samples, channels or times.
_STACK, _FURTHER = "ZIQR", "SCT"


def read_picture(path: Path) -> RawImage:
    """Read a picture, or a stack of pages.

    Parameters
    ----------
    path : Path
        PNG, TIFF or JPEG file.

    Returns
    -------
    RawImage
        Of shape (H, W), or (pages, H, W), in pixels. Red, green and blue are the further axis unless they are equal
        everywhere; an opaque alpha is dropped.

    Raises
    ------
    InputError
        Where it cannot be read or holds complex numbers.
    """
    array = _without_alpha(path, read_pixels(path))
    colours = array.shape[-1]
    if colours in (3, 4) and all(np.array_equal(array[..., 0], array[..., k]) for k in range(1, colours)):
        array, colours = array[..., :1], 1
    shape = array.shape[:-1]
    if array.dtype.kind == "c":
        raise InputError(f"{path.name} holds complex numbers.", "Export the magnitude image.")

    def load(frame: int | None) -> NDArray[np.float32]:
        if colours == 1:
            return to_float32(array[..., 0])
        return to_float32(array if frame is None else array[..., frame])

    return RawImage(
        shape=shape,
        n_extra=colours,
        load=load,
        affine=picture_affine(len(shape)),
        format="picture",
        unit="pixel",
    )


def picture_affine(n_axes: int) -> NDArray[np.float64]:
    """Return the affine of a picture (row, column, added) or stack (page, row, column), in pixels.

    Parameters
    ----------
    n_axes : int
        2 or 3.
    """
    affine = np.zeros((4, 4))
    affine[3, 3] = 1.0
    world_of = (1, 0, 2) if n_axes == 2 else (2, 1, 0)
    for axis, world in enumerate(world_of):
        affine[world, axis] = 1.0
    return affine


def _without_alpha(path: Path, array: NDArray[Any]) -> NDArray[Any]:
    """Drop a last colour that says only that everything is opaque."""
    if array.shape[-1] in (2, 4) and suffix_of(path) not in _TIFF:
        return array[..., :-1]
    if array.shape[-1] == 4 and array.dtype == np.uint8 and (array[..., 3] == 255).all():
        return array[..., :3]
    return array


def read_pixels(path: Path) -> NDArray[Any]:
    """Read a picture's numbers; palette pictures give their indices.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray (H, W, S) or (pages, H, W, S)
        S samples a pixel.

    Raises
    ------
    InputError
        Where it cannot be read.
    ResourceError
        Where memory runs out.
    """
    from PIL.Image import DecompressionBombError

    wrong = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, struct.error)
    broken = (OSError, EOFError, SyntaxError, *wrong)
    try:
        with quiet("tifffile"), warnings.catch_warnings():
            # What is doubtful about a file's tags is either harmless, or an error a moment later.
            warnings.simplefilter("ignore")
            array = _read_tiff(path) if suffix_of(path) in _TIFF else None
            return _read_pages(path) if array is None else array
    except (*broken, DecompressionBombError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path.name} cannot be read: {reason}.", "Copy or export the picture again.") from error
    except MemoryError as error:
        raise ResourceError(
            f"{path.name} needs more memory than there is.",
            "Close other programs, or check that its header tells the true size.",
        ) from error


def _read_pages(path: Path) -> NDArray[Any]:
    """Read a picture with Pillow; several pages become a stack."""
    from PIL import Image, ImageSequence

    with Image.open(path) as picture:
        pages = [np.asarray(page) for page in ImageSequence.Iterator(picture)]
    with_samples = [page[..., np.newaxis] if page.ndim == 2 else page for page in pages]
    return with_samples[0] if len(pages) == 1 else np.stack(with_samples)


def _read_tiff(path: Path) -> NDArray[Any] | None:
    """Read a TIFF and sort its axes into stack, rows, columns, samples; None where its compression needs Pillow."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if file.pages[0].compression not in (1, 8, 32946):
            return None
        series = file.series[0]
        axes, array = series.axes, series.asarray()
        if len(file.series) > 1 and all(s.shape == series.shape for s in file.series):
            axes, array = "Q" + axes, np.stack([s.asarray() for s in file.series])
    keep = [i for i, letter in enumerate(axes) if letter in "YX" or array.shape[i] > 1]
    array = array.reshape([array.shape[i] for i in keep])
    axes = "".join(axes[i] for i in keep)
    stacks = [i for i, letter in enumerate(axes) if letter in _STACK]
    further = [i for i, letter in enumerate(axes) if letter in _FURTHER]
    if len(stacks) > 1 or len(further) > 1 or len(stacks) + len(further) + 2 != len(axes):
        raise InputError(
            f"{path.name} has the axes {axes} with {' x '.join(map(str, array.shape))} pixels.",
            "Split it into files with one stack and one channel axis.",
        )
    order = (*stacks, axes.index("Y"), axes.index("X"), *further)
    array = array.transpose(order)
    return array if further else array[..., np.newaxis]


def check_picture(path: Path, array: NDArray[Any]) -> None:
    """Refuse an array that a picture's format cannot hold.

    Parameters
    ----------
    path : Path
        Target.
    array : ndarray (H, W) or (pages, H, W)
        What is to be written.

    Raises
    ------
    OutputError
        Where the format loses values, pages or fractions.
    """
    if suffix_of(path) in _TIFF:
        return
    if suffix_of(path) != ".png":
        raise OutputError(f"{path.name} would lose labels: JPEG changes values.", "Write .png, .tif or .nii.gz.")
    if array.ndim != 2 or array.dtype != np.uint8:
        raise OutputError(
            f"{path.name} can hold one slice of label values, not an array of shape {array.shape}, {array.dtype}.",
            "Write .tif or .nii.gz instead.",
        )


def save_picture(path: Path, array: NDArray[Any]) -> None:
    """Write an array as PNG or TIFF; `check_picture` tells whether that goes.

    Parameters
    ----------
    path : Path
        Target.
    array : ndarray (H, W) or, as TIFF, (pages, H, W); uint8 or float32
        In the picture's own order.
    """
    if suffix_of(path) in _TIFF:
        import tifffile

        tifffile.imwrite(path, np.ascontiguousarray(array), photometric="minisblack", compression="zlib")
        return
    from PIL import Image

    Image.fromarray(np.ascontiguousarray(array)).save(path)


def load_back(path: Path) -> NDArray[Any]:
    """Read the numbers of a picture just written, to compare.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray (H, W) or (pages, H, W)
    """
    return read_pixels(path)[..., 0]
