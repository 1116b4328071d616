"""DICOM series made for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from tests.io.grid_making import rotation

SHAPE = (5, 7, 6)
SPACING = (3.0, 0.8, 1.1)
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def voxels(n_slices: int = SHAPE[0]) -> NDArray[np.uint16]:
    """Stored values (slice, row, column), every one different."""
    shape = (n_slices, *SHAPE[1:])
    return np.random.default_rng(5).permutation(int(np.prod(shape))).reshape(shape).astype(np.uint16)


def directions() -> NDArray[np.float64]:
    """Columns: along a row, down a column, across slices (sagittal, oblique), LPS."""
    sagittal = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    found = rotation() @ sagittal
    found[:, 2] = np.cross(found[:, 0], found[:, 1])
    return found


def position(z: float) -> NDArray[np.float64]:
    """Place of slice z in mm, LPS."""
    return np.array([12.5, -80.0, 61.0]) + directions()[:, 2] * SPACING[0] * z


def affine_ras() -> NDArray[np.float64]:
    """Affine of (column, row, slice) to RAS."""
    affine = np.eye(4)
    affine[:3, :3] = directions() * (SPACING[2], SPACING[1], SPACING[0])
    affine[:3, 3] = position(0)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _numbers(values: Any) -> list[str]:
    return [f"{v:.10g}" for v in values]


def _base(path: Path, sop_class: str, series_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", series_uid
    dataset.Modality, dataset.PatientName, dataset.PatientID = "MR", "Nobody", "0"
    dataset.Rows, dataset.Columns = SHAPE[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    return dataset


def save_series(
    folder: Path,
    *,
    data: NDArray[np.uint16] | None = None,
    heights: list[float] | None = None,
    uid: str = "1.2.3.1",
    number: int = 1,
    description: str = "T1 MPRAGE",
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "M"),
    suffix: str = ".dcm",
    **elements: Any,
) -> list[Path]:
    """Write a classic series, one file a slice, under names that say nothing about their order."""
    data = voxels() if data is None else data
    heights = list(range(len(data))) if heights is None else heights
    folder.mkdir(exist_ok=True)
    names = np.random.default_rng(number).permutation(len(data))
    paths = []
    for z, (plane, height) in enumerate(zip(data, heights, strict=True)):
        path = folder / f"IM{number:02d}{names[z]:04d}{suffix}"
        dataset = _base(path, MRImageStorage, uid)
        dataset.SeriesNumber, dataset.SeriesDescription = number, description
        dataset.ImageType, dataset.InstanceNumber = list(image_type), int(names[z]) + 1
        dataset.ImagePositionPatient = _numbers(position(height))
        dataset.ImageOrientationPatient = _numbers([*directions()[:, 0], *directions()[:, 1]])
        dataset.PixelSpacing, dataset.SliceThickness = _numbers(SPACING[1:]), str(SPACING[0])
        for name, value in elements.items():
            chosen = value[z] if isinstance(value, dict) else value
            if chosen is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, chosen)
        dataset.PixelData = np.ascontiguousarray(plane).tobytes()
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _item(**elements: Any) -> Sequence:
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return Sequence([item])


def save_enhanced(path: Path, data: NDArray[np.uint16], order: list[int], slope: float = 1.0, times: int = 1) -> Path:
    """Write an enhanced multi-frame file with its frames in a given order."""
    dataset = _base(path, ENHANCED_MR, "1.2.3.9")
    dataset.SeriesNumber, dataset.SeriesDescription, dataset.ImageType = 9, "T2 FLAIR", ["ORIGINAL", "PRIMARY"]
    shared = Dataset()
    shared.PixelMeasuresSequence = _item(PixelSpacing=_numbers(SPACING[1:]), SliceThickness=str(SPACING[0]))
    shared.PlaneOrientationSequence = _item(
        ImageOrientationPatient=_numbers([*directions()[:, 0], *directions()[:, 1]])
    )
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for i in order:
        frame = Dataset()
        frame.PlanePositionSequence = _item(ImagePositionPatient=_numbers(position(i // times)))
        frame.FrameContentSequence = _item(TemporalPositionIndex=i % times + 1)
        frame.PixelValueTransformationSequence = _item(RescaleSlope=str(slope), RescaleIntercept="0", RescaleType="US")
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.NumberOfFrames = len(order)
    dataset.PixelData = np.ascontiguousarray(data[order]).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def compressed(path: Path, transfer_syntax: str) -> None:
    """Compress a file in place."""
    dataset = pydicom.dcmread(path)
    dataset.compress(transfer_syntax)
    dataset.save_as(path)
