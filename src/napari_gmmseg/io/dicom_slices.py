"""DICOM files taken apart into single images, classic and enhanced alike."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError
from napari_gmmseg.io.grids import to_float32

_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "SeriesNumber",
    "SeriesDescription",
    "ProtocolName",
    "Modality",
    "ImageType",
    "InstanceNumber",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "RescaleSlope",
    "RescaleIntercept",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "EchoTime",
    "AcquisitionNumber",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_SUFFIXES = (".dcm", ".ima", ".dicom")
_COMPLEX_PARTS = {"M", "P", "R", "I", "MAGNITUDE", "PHASE", "REAL", "IMAGINARY"}


@dataclass(frozen=True)
class Slice:
    """One image of a series.

    Parameters
    ----------
    path : Path
        Its file.
    frame : int or None
        Its number in a multi-frame file, from 0.
    size : (rows, columns)
        Number of pixels.
    position : ndarray (3,) or None
        Centre of the first pixel in mm, LPS.
    orientation : ndarray (6,) or None
        Direction along a row, then down a column, LPS.
    spacing : (between rows, between columns) or None
        In mm.
    thickness : float or None
        Distance to the next slice, or thickness, in mm.
    slope, intercept : float
        Stored value to intensity.
    order : tuple of float
        Sorts images at the same place: time, trigger, echo, acquisition, instance.
    kind : str
        "M", "P", "R" or "I" where the header tells the complex part; else "".
    """

    path: Path
    frame: int | None
    size: tuple[int, int]
    position: NDArray[np.float64] | None
    orientation: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    slope: float
    intercept: float
    order: tuple[float, ...]
    kind: str


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark, or a suffix that only DICOM has.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InputError
        Where it may not be read.
    """
    if path.name.upper() == "DICOMDIR":
        return False
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read: {error.strerror or error}.", "Ask for the right to read it, or move it away."
        ) from error
    return head[128:132] == b"DICM" or (bool(head) and path.suffix.lower() in _SUFFIXES)


@contextmanager
def _pydicom_errors(path: Path) -> Iterator[None]:
    """Turn what pydicom raises about a broken file into one sentence; its warnings on odd values say nothing here."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    broken = (
        BytesLengthException,
        InvalidDicomError,
        OSError,
        EOFError,
        ValueError,
        AttributeError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        struct.error,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except broken as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"The DICOM file {path.name} cannot be read: {reason}.",
            "Export the series again, without compression where that is the matter.",
        ) from error


def read_header(path: Path) -> Any:
    """Read a file's header without its pixels.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    pydicom.Dataset

    Raises
    ------
    InputError
        Where it is no DICOM.
    """
    import pydicom

    with _pydicom_errors(path):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS), force=True)
        for _ in header:
            # Elements are decoded when they are asked for: a broken one is met here, not by whoever asks.
            pass
        return header


def words(value: Any) -> tuple[str, ...]:
    """Return the words of an element in capitals, be they none, one or several.

    Parameters
    ----------
    value : str, sequence of str or None
        Such as ImageType.
    """
    return tuple(str(v).upper() for v in ((value,) if isinstance(value, str) else value or ()))


def frames_of(header: Any) -> int:
    """Return the number of frames that a header tells, at least 1.

    Parameters
    ----------
    header : pydicom.Dataset
        A file's header.
    """
    return max(int(_number(header.get("NumberOfFrames"), 1.0)), 1)


def _numbers(value: Any, n: int) -> NDArray[np.float64] | None:
    """Return n finite numbers of an element, else None."""
    try:
        numbers = np.asarray([float(v) for v in value], dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if numbers.shape == (n,) and np.isfinite(numbers).all() else None


def _number(value: Any, default: float) -> float:
    """Return an element's number, or a default where it is missing or empty."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if np.isfinite(number) else default


def slices_of(path: Path, header: Any) -> list[Slice]:
    """Take a file apart.

    Parameters
    ----------
    path : Path
        The file.
    header : pydicom.Dataset
        Its header.

    Returns
    -------
    list of Slice
        One entry a frame.

    Raises
    ------
    InputError
        Where it holds colours.
    """
    if _number(header.get("SamplesPerPixel"), 1.0) != 1:
        raise InputError(f"{path.name} holds a colour picture.", "Name a series of grey images with --series.")
    with _pydicom_errors(path):
        if "PerFrameFunctionalGroupsSequence" in header:
            return _enhanced(path, header)
        n_frames = frames_of(header)
        return [_classic(path, header, None if n_frames == 1 else i) for i in range(n_frames)]


def _kind(image_type: Any) -> str:
    """Find the complex part among the values of ImageType."""
    found = [word for word in words(image_type) if word in _COMPLEX_PARTS]
    return found[0][0] if found else ""


def _classic(path: Path, header: Any, frame: int | None) -> Slice:
    """Make the slice of a classic file; frames without places of their own have none."""
    spacing = _numbers(header.get("PixelSpacing"), 2)
    thickness = _number(header.get("SpacingBetweenSlices"), _number(header.get("SliceThickness"), 0.0))
    placed = frame is None
    return Slice(
        path=path,
        frame=frame,
        size=(int(header.Rows), int(header.Columns)),
        position=_numbers(header.get("ImagePositionPatient"), 3) if placed else None,
        orientation=_numbers(header.get("ImageOrientationPatient"), 6) if placed else None,
        spacing=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        thickness=abs(thickness) or None,
        slope=_number(header.get("RescaleSlope"), 1.0),
        intercept=_number(header.get("RescaleIntercept"), 0.0),
        order=(
            _number(header.get("TemporalPositionIdentifier"), 0.0),
            _number(header.get("TriggerTime"), 0.0),
            _number(header.get("EchoTime"), 0.0),
            _number(header.get("AcquisitionNumber"), 0.0),
            _number(header.get("InstanceNumber"), 0.0) + (frame or 0),
        ),
        kind=_kind(header.get("ImageType")),
    )


def _enhanced(path: Path, header: Any) -> list[Slice]:
    """Make the slices of an enhanced file from its functional groups."""
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    frames = []
    for i, groups in enumerate(header.PerFrameFunctionalGroupsSequence):

        def value(group: str, name: str, groups: Any = groups) -> Any:
            """Find an element in the frame's group, else in the shared one."""
            for holder in (groups, shared):
                items = holder.get(group) if holder is not None else None
                if items and items[0].get(name) is not None:
                    return items[0].get(name)
            return None

        spacing = _numbers(value("PixelMeasuresSequence", "PixelSpacing"), 2)
        thickness = _number(
            value("PixelMeasuresSequence", "SpacingBetweenSlices"),
            _number(value("PixelMeasuresSequence", "SliceThickness"), 0.0),
        )
        frames.append(
            Slice(
                path=path,
                frame=i,
                size=(int(header.Rows), int(header.Columns)),
                position=_numbers(value("PlanePositionSequence", "ImagePositionPatient"), 3),
                orientation=_numbers(value("PlaneOrientationSequence", "ImageOrientationPatient"), 6),
                spacing=None if spacing is None else (float(spacing[0]), float(spacing[1])),
                thickness=abs(thickness) or None,
                slope=_number(value("PixelValueTransformationSequence", "RescaleSlope"), 1.0),
                intercept=_number(value("PixelValueTransformationSequence", "RescaleIntercept"), 0.0),
                order=(
                    _number(value("FrameContentSequence", "TemporalPositionIndex"), 0.0),
                    _number(value("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"), 0.0),
                    _number(value("MREchoSequence", "EffectiveEchoTime"), 0.0),
                    _number(value("FrameContentSequence", "FrameAcquisitionNumber"), 0.0),
                    float(i),
                ),
                kind=_kind(value("MRImageFrameTypeSequence", "FrameType")),
            )
        )
    return frames


def load_pixels(slices: list[Slice]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the intensities of slices, each file read once.

    Parameters
    ----------
    slices : list of Slice
        Any order.

    Yields
    ------
    int, ndarray (rows, columns) float32
        Position in the list, and its intensities.

    Raises
    ------
    InputError
        Where a file cannot be decoded.
    """
    by_file: dict[Path, list[int]] = {}
    for i, s in enumerate(slices):
        by_file.setdefault(s.path, []).append(i)
    for path, members in by_file.items():
        stored, scaled = _stored(path)
        for i in members:
            s = slices[i]
            plane = stored if s.frame is None or stored.ndim == 2 else stored[s.frame]
            if plane.shape != s.size:
                raise InputError(f"{path.name} holds {plane.shape} pixels, not {s.size}.", "Export the series again.")
            yield i, to_float32(plane) if scaled else to_float32(plane) * np.float32(s.slope) + np.float32(s.intercept)


def _stored(path: Path) -> tuple[NDArray[Any], bool]:
    """Decode a file's pixels; also say whether they are scaled to intensities already.

    Compressed files that pydicom alone cannot decode go to the decoder within SimpleITK, which scales by itself.
    """
    import pydicom

    with _pydicom_errors(path):
        dataset = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
        try:
            return dataset.pixel_array, False
        except (RuntimeError, NotImplementedError, AttributeError):
            if not compressed:
                raise
        import SimpleITK

        array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO"))
        return (array[0] if array.shape[0] == 1 else array), True
