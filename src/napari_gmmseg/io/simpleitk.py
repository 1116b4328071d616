"""NRRD and MetaImage files, through SimpleITK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError, OutputError
from napari_gmmseg.io.grids import LPS_TO_RAS, RawImage, to_float32
from napari_gmmseg.io.sniffing import suffix_of
from napari_gmmseg.volumes import Finding, SourceGrid, Unit

#: Header words without which a file tells no voxel size, or no orientation.
_SIZE_WORDS = ("space directions", "spacings", "ElementSpacing", "ElementSize")
_PLACE_WORDS = ("space directions", "TransformMatrix", "Orientation", "Rotation")
_HEADER_BYTES = 8192


def read_itk(path: Path) -> RawImage:
    """Read an NRRD or MetaImage file.

    Parameters
    ----------
    path : Path
        The file, or the header of a pair.

    Returns
    -------
    RawImage
        Components of a vector image, or a fourth dimension, are the further axis.

    Raises
    ------
    InputError
        Where it cannot be read, or holds complex numbers or too many axes.
    """
    image = _read(path)
    n_components, dimension = image.GetNumberOfComponentsPerPixel(), image.GetDimension()
    if "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"{path.name} holds complex numbers.", "Export the magnitude image.")
    size = image.GetSize()
    if (dimension == 4 and n_components > 1) or dimension not in (2, 3, 4):
        raise InputError(
            f"{path.name} has {dimension} axes and {n_components} values a voxel.",
            "Split it into files with one time or channel axis.",
        )
    n_extra = int(size[3]) if dimension == 4 else n_components
    shape = (*(int(n) for n in size[:3]), *(1,) * (3 - dimension))

    def load(frame: int | None) -> NDArray[np.float32]:
        import SimpleITK

        array = to_float32(SimpleITK.GetArrayFromImage(image))
        if dimension == 4:
            array = array.transpose(3, 2, 1, 0)
        else:
            spatial = tuple(reversed(range(dimension)))
            array = array.transpose(*spatial, *range(dimension, array.ndim))
        array = array.reshape(shape if n_extra == 1 else (*shape, n_extra))
        return array if frame is None or n_extra == 1 else array[..., frame]

    affine, unit, verified, findings = _affine(path, image)
    return RawImage(
        shape=shape,
        n_extra=n_extra,
        load=load,
        affine=affine,
        format="nrrd" if suffix_of(path) in {".nrrd", ".nhdr"} else "mha",
        unit=unit,
        verified=verified,
        findings=findings,
    )


def _read(path: Path) -> Any:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        return SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].split("Error:")[-1].strip()
        raise InputError(
            f"{path.name} cannot be read: {reason}.", "The file is cut off or damaged: copy or export it again."
        ) from error


def _matrix(image: Any) -> NDArray[np.float64]:
    """Index to world (x, y, z), RAS+, in mm."""
    n = image.GetDimension()
    space = min(n, 3)
    direction = np.asarray(image.GetDirection()).reshape(n, n)[:space, :space]
    affine = np.eye(4)
    affine[:space, :space] = direction * np.asarray(image.GetSpacing()[:space])
    affine[:space, 3] = image.GetOrigin()[:space]
    return LPS_TO_RAS @ affine


def _affine(path: Path, image: Any) -> tuple[NDArray[np.float64], Unit, bool, tuple[Finding, ...]]:
    """Take the image's place, and doubt what its header does not tell."""
    with path.open("rb") as file:
        text = file.read(_HEADER_BYTES).decode("latin-1")
    unit: Unit = "mm" if any(word in text for word in _SIZE_WORDS) else "pixel"
    # An NRRD may tell directions without telling in which world.
    if any(word in text for word in _PLACE_WORDS) and not (text.startswith("NRRD") and "space:" not in text):
        return _matrix(image), unit, True, ()
    finding = Finding(
        "orientation-unknown",
        f"{path.name} does not tell which side is left.",
        "Check left and right by eye; exports are marked as unverified.",
    )
    return _matrix(image), unit, False, (finding,)


def save_itk(path: Path, array: NDArray[Any], source: SourceGrid) -> None:
    """Write an array as NRRD or MetaImage.

    Parameters
    ----------
    path : Path
        Target.
    array : ndarray (I, J, K) or (I, J, K, E), uint8 or float32
        In the source's order.
    source : SourceGrid
        The grid it lies on.

    Raises
    ------
    OutputError
        Where the format cannot hold the array's place, or the file cannot be written.
    """
    import SimpleITK

    affine = LPS_TO_RAS @ source.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = np.eye(array.ndim)
    direction[:3, :3] = affine[:3, :3] / spacing
    further = [1.0] * (array.ndim - 3)
    try:
        image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.transpose()), isVector=False)
        image.SetSpacing([*spacing.tolist(), *further])
        image.SetOrigin([*affine[:3, 3].tolist(), *(0.0 for _ in further)])
        image.SetDirection(direction.reshape(-1).tolist())
        SimpleITK.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise OutputError(f"{path.name} cannot be written: {reason}.", "Write .nii.gz instead.") from error


def load_back(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Read voxels and affine of a file just written, to compare.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    array, affine : ndarray
        In the file's own order; the affine in mm, RAS+.
    """
    import SimpleITK

    image = _read(path)
    return SimpleITK.GetArrayFromImage(image).transpose(), _matrix(image)
