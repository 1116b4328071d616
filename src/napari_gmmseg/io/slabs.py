"""Read a NIfTI file slab by slab, and write a mask so: for images that are larger than memory."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError, OutputError
from napari_gmmseg.io import nifti
from napari_gmmseg.io.contrasts import guess_contrast
from napari_gmmseg.io.grids import place
from napari_gmmseg.io.nifti_writing import label_header, opened_to_write
from napari_gmmseg.io.reading import Spacing, read_raw, with_spacing
from napari_gmmseg.io.sniffing import stem_of, suffix_of
from napari_gmmseg.io.writing import affine_differs, checked_target, describe, label_texts, write_whole
from napari_gmmseg.volumes import ClassTable, Finding, Geometry, SourceGrid, first_sampled

#: Voxels of a slab: large enough to hide the cost of a call, small enough for some temporaries of it.
SLAB_VOXELS = 1 << 22


@dataclass(frozen=True)
class FileSlabs:
    """A NIfTI file of three axes, as `napari_gmmseg.volumes.Slabs` has it.

    Parameters
    ----------
    path : Path
        The file that holds the voxels.
    offset : int
        Bytes before them.
    stored : numpy dtype
        As they are stored.
    slope, inter : float
        intensity = stored * slope + inter.
    source : SourceGrid
        The grid of the file.
    geometry : Geometry
        The grid in the order of a volume.
    contrast : str
        As the file's name tells, or "".
    findings : tuple of Finding
        Doubts about the file.
    thickness : int
        Layers of a slab.
    """

    path: Path
    offset: int
    stored: np.dtype[Any]
    slope: float
    inter: float
    source: SourceGrid
    geometry: Geometry
    contrast: str
    findings: tuple[Finding, ...]
    thickness: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers that are read, in the machine's byte order."""
        return self.stored.newbyteorder("=")

    @property
    def n_slabs(self) -> int:
        """How many slabs a pass has."""
        return -(-self.source.shape[2] // self.thickness)

    def read(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield layers along the file's last axis, and their stored numbers as they lie: (n, *source.shape[1::-1]).

        Raises
        ------
        InputError
            Where the file is cut off.
        """
        depth = self.source.shape[2]
        with self._opened() as file:
            self._go_to(file, self.offset)
            for begin in range(0, depth, self.thickness):
                layers = slice(begin, min(begin + self.thickness, depth))
                yield layers, self._layers(file, layers.stop - layers.start)
            with self._reading():
                # A packed file is held against its checksum at its end.
                while self._packed and file.read(1 << 20):
                    pass

    def sampled(self, step: int) -> NDArray[Any]:
        """Return every `step`-th stored number along each axis, from `first_sampled` on, as they lie: axes reversed.

        Parameters
        ----------
        step : int
            At least 1.

        Raises
        ------
        InputError
            Where the file is cut off.
        """
        columns, rows, layers = (range(first_sampled(n, step), n, step) for n in self.source.shape)
        within = np.ix_(rows, columns)
        kept = []
        with self._opened() as file:
            size = math.prod(self.source.shape[:2]) * self.stored.itemsize
            for layer in layers:
                self._go_to(file, self.offset + layer * size)
                kept.append(self._layers(file, 1)[0][within])
        return np.stack(kept)

    @property
    def _packed(self) -> bool:
        return self.path.suffix.lower() == ".gz"

    def _opened(self) -> BinaryIO:
        return cast("BinaryIO", gzip.open(self.path, "rb")) if self._packed else self.path.open("rb")

    def _go_to(self, file: BinaryIO, place: int) -> None:
        # A packed file is read up to there.
        with self._reading():
            file.seek(place)

    def _layers(self, file: BinaryIO, n: int) -> NDArray[Any]:
        shape = (n, *self.source.shape[1::-1])
        with self._reading():
            block = file.read(math.prod(shape) * self.stored.itemsize)
        if len(block) < math.prod(shape) * self.stored.itemsize:
            raise self._cut_off()
        return np.frombuffer(block, self.stored).astype(self.dtype, copy=False).reshape(shape)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, zlib.error) as error:
            raise self._cut_off() from error

    def _cut_off(self) -> InputError:
        return InputError(
            f"{self.path.name} cannot be read: it ends before its last voxel, or is damaged.",
            "The file is cut off or damaged: copy or export it again.",
        )


def open_slabs(path: Path, spacing: Spacing | None = None) -> FileSlabs:
    """Open a NIfTI file to read it slab by slab; only its header is read now.

    Parameters
    ----------
    path : Path
        .nii, .nii.gz, or one of a pair .img and .hdr.
    spacing : (dy, dx) or (dz, dy, dx) in mm, or None
        Voxel size of an image that tells none.

    Raises
    ------
    InputError
        Where it is no NIfTI file of three axes with one real number a voxel.
    """
    raw = read_raw(path)
    if not raw.format.startswith("nifti") or raw.n_extra > 1 or len(raw.shape) != 3:
        raise InputError(
            f"{path.name} cannot be read slab by slab: that takes a NIfTI file with three axes.",
            "Convert it to NIfTI, one frame or channel a file.",
        )
    if spacing is not None:
        raw = with_spacing(raw, spacing, path)
    voxels = nifti.stored_voxels(path)
    source, geometry = place(raw, path)
    return FileSlabs(
        path=voxels.path,
        offset=voxels.offset,
        stored=voxels.dtype,
        slope=voxels.slope,
        inter=voxels.inter,
        source=source,
        geometry=geometry,
        contrast=guess_contrast(raw.contrast, stem_of(path)),
        findings=raw.findings,
        thickness=max(1, SLAB_VOXELS // math.prod(raw.shape[:2])),
    )


def check_slab_target(path: Path, source: SourceGrid) -> None:
    """Refuse a target that a mask cannot be written to slab by slab, before any work is done for it.

    Parameters
    ----------
    path : Path
        Target.
    source : SourceGrid
        The grid of the mask.

    Raises
    ------
    OutputError
        Where the folder or the format will not do.
    """
    checked_target(path, source)
    if suffix_of(path) not in (".nii", ".nii.gz"):
        raise OutputError(
            f"A mask that is larger than memory is written slab by slab, and {path.name} cannot be.",
            "Write .nii.gz or .nii.",
        )


def write_label_slabs(
    path: Path,
    make: Callable[[], Iterator[NDArray[np.uint8]]],
    source: SourceGrid,
    geometry: Geometry,
    classes: ClassTable,
    checked: Callable[[int], object] = lambda _: None,
) -> Path:
    """Write a mask slab by slab, read it back and compare, and only then give it its name.

    Parameters
    ----------
    path : Path
        Target: .nii or .nii.gz.
    make : callable
        Returns the label slabs (n, *source.shape[1::-1]), in order, along the source's last axis.
    source : SourceGrid
        The grid.
    geometry : Geometry
        Unit, and whether it is verified.
    classes : ClassTable
        For the sidecars.
    checked : callable
        Called with the number of slabs that have been read back.

    Raises
    ------
    OutputError
        Where it cannot be written there, or reads back differently.
    ResourceError
        Where the disk is full.
    """
    check_slab_target(path, source)
    sums: list[tuple[int, int]] = []

    def encode(target: Path) -> None:
        header = label_header(source, geometry.unit, describe(geometry, "labels"))
        with opened_to_write(target) as file:
            file.write(header)
            for slab in make():
                block = np.ascontiguousarray(slab).data
                file.write(block)
                sums.append((len(slab), zlib.crc32(block)))

    def compare(temporary: Path) -> None:
        back = open_slabs(temporary)
        moved = affine_differs(back.source.affine, source.affine)
        if back.source.shape != source.shape or back.dtype != np.uint8 or moved:
            raise OutputError(
                f"{path.name} cannot hold the place of this image: its header reads back differently.",
                "Try again, or another disk.",
            )
        found = [(len(slab), zlib.crc32(slab.data)) for slab in _told(back, checked)]
        if found != sums:
            raise OutputError(
                f"{path.name} read back with other values than were written.", "Try again, or another disk."
            )

    return write_whole(path, encode, compare, label_texts(path, classes))


def _told(slabs: FileSlabs, checked: Callable[[int], object]) -> Iterator[NDArray[Any]]:
    for number, (_, slab) in enumerate(slabs.read(), start=1):
        yield slab
        checked(number)
