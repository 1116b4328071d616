"""Segment an image that is larger than memory: slab by slab from its file into the mask's."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gmmseg.api.following import follow
from napari_gmmseg.api.options import PathLike, fit_config, preparation_config, settings_without_effect
from napari_gmmseg.api.reading import spacing_of
from napari_gmmseg.errors import GeometryError, GmmsegError, ResourceError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_gmmseg.io.slabs import FileSlabs
    from napari_gmmseg.preparation.streaming import PreparedSlabs
    from napari_gmmseg.volumes import Finding, FitReport, StreamedSegmentation

#: Bytes for each voxel and channel that reading takes at its peak: as float32, and that in the volume's order.
_READING = 8
#: And what is held of it from then on.
_HELD = 4
#: Bytes that torch and what comes with it take of an address space, where it is not loaded yet.
_LIBRARIES = 700_000_000
#: Of a fit whose mask is not known yet, the least that it takes, whatever the method: masks and labels.
_LEAST = 4


def must_stream(
    paths: Sequence[PathLike], *, method: str, n_classes: int | None = None, memory_limit: float | None = None
) -> bool:
    """Tell from a file's header whether an image has to be read slab by slab, because it does not fit into memory.

    Parameters
    ----------
    paths : sequence of paths
        One file a channel.
    method : str
        How labels are found.
    n_classes : int or None
        Number of classes K; None counts as 3.
    memory_limit : float or None
        Memory that may be taken, in GB; None: what is free.

    Raises
    ------
    ResourceError
        Where the image does not fit, and cannot be read slab by slab.
    SettingsError
        Where a limit is given, and nothing but reading the image would tell how large it is.
    """
    from napari_gmmseg.config.memory import CONSTANTS, Footprint, in_words

    shape = _shape_of(paths)
    if not shape:
        if shape is not None and memory_limit is not None:
            raise SettingsError(
                f"A limit of memory (--memory-limit) was given, and the header of {Path(paths[0]).name} does not tell "
                "how much it needs.",
                "It works for one NIfTI file of three axes a channel: leave the limit out, or convert the image.",
            )
        return False
    limit = _left() if memory_limit is None else int(memory_limit * 1e9)
    n, n_channels = math.prod(shape), len(paths)
    by_intensity = method in ("gmm", "svgmm")
    reading = n * n_channels * _READING
    if by_intensity and n_channels == 1:
        peak = Footprint(n, n, n_channels, n_classes or 3, method).peak() - int(CONSTANTS[method].base * 1e6)
        needed = max(reading, n * n_channels * _HELD + peak)
    else:
        # What cannot be streamed is refused for what is certain alone: with a mask that is not known yet, a fit may
        # take far less than the whole image would, and `fitting.memory` decides once it is.
        needed = max(reading, n * (n_channels * _HELD + _LEAST))
    if needed <= limit:
        return False
    size = " x ".join(str(size) for size in shape)
    told = f"This image of {size} voxels needs about {in_words(needed)} of memory, and {in_words(limit)} are there."
    if not by_intensity:
        raise ResourceError(
            told,
            f"--method gmm reads it slab by slab; {method} needs all of it in memory: crop it, or take a coarser one.",
        )
    if n_channels > 1:
        raise ResourceError(told, "Of one channel, --method gmm reads it slab by slab; of several, crop it.")
    return True


def _left() -> int:
    """Return the bytes that are left for an image and its fit."""
    from napari_gmmseg.config.machine import available_memory

    return max(available_memory() - (0 if "torch" in sys.modules else _LIBRARIES), 0)


def _shape_of(paths: Sequence[PathLike]) -> tuple[int, ...] | None:
    """Return the voxels along each axis of the first file; () where only reading it tells, None where that fails."""
    from napari_gmmseg.io.reading import read_raw
    from napari_gmmseg.io.sniffing import family_of

    first = Path(paths[0])
    try:
        if not first.is_file():
            return () if first.is_dir() else None
        if family_of(first) != "nifti":
            return ()
        raw = read_raw(first)
    except (GmmsegError, OSError):
        # Whoever reads it tells what is wrong.
        return None
    return () if raw.n_extra > 1 or len(raw.shape) != 3 else raw.shape


def segment_to_file(
    image: PathLike,
    output: PathLike,
    *,
    preset: str | None = None,
    method: str = "gmm",
    n_classes: int | None = None,
    mask: PathLike | None = "auto",
    box: tuple[int, int, int, int, int, int] | None = None,
    disc: tuple[float, float, float] | None = None,
    contrast: str = "",
    spacing: tuple[float, ...] | None = None,
    seed: int = 0,
    progress: Callable[[FitReport], object] | None = None,
    begin_writing: Callable[[StreamedSegmentation], object] | None = None,
    **settings: Any,
) -> StreamedSegmentation:
    """Segment an image of any size by its intensities alone, and write the mask, both slab by slab.

    The intensities of the mask are counted, the mixture is fitted to the table of counts, and each voxel is looked up
    in the table's labels: the result is that of `segment` with the same method and without bias correction, but for the
    automatic mask (see `napari_gmmseg.preparation.streaming.prepare_slabs`).

    Parameters
    ----------
    image : path
        NIfTI, one channel, three axes.
    output : path
        The mask: .nii or .nii.gz. Its sidecars stand beside it.
    preset : str or None
        Kind of image; None: brain-t1.
    method : "gmm" or "svgmm"
        How labels are found.
    n_classes : int or None
        Number of classes K; None: as many as the preset names, else 3.
    mask : "auto", "none", path, or None
        Where to look; a file lies on the image's grid, in its order.
    box : (z0, y0, x0, z1, y1, x1) or None
        In voxels, stop exclusive; cut out of the mask.
    disc : (y, x, radius) or None
        In voxels, the same in every slice; cut out of the mask.
    contrast : str
        Such as "t1"; "" as the file's name tells.
    spacing : tuple of float or None
        Voxel size in mm for a file that tells none.
    seed : int
        Same seed, same mask.
    progress : callable or None
        Called with each `FitReport`; what it raises ends the work, and no file is left.
    begin_writing : callable or None
        Called with the result before the first slab is written.
    **settings
        Further fields of `napari_gmmseg.config.FitConfig`.

    Returns
    -------
    StreamedSegmentation
        Classes, counts, mixture and findings; the labels are in the file.

    Raises
    ------
    GmmsegError
        Where something cannot be read, fitted or written, each with a hint.
    """
    from napari_gmmseg.config import find_preset
    from napari_gmmseg.fitting.tables import check_by_intensity, fit_table
    from napari_gmmseg.io.atlas import read_atlas
    from napari_gmmseg.io.labels import soft_mask_cut
    from napari_gmmseg.io.slabs import check_slab_target, open_slabs, write_label_slabs
    from napari_gmmseg.preparation.streaming import prepare_slabs
    from napari_gmmseg.volumes import FitReport, StreamedSegmentation

    began = time.perf_counter()
    slabs = open_slabs(Path(image), spacing_of(spacing))
    if contrast:
        slabs = replace(slabs, contrast=contrast)
    target = Path(output)
    check_slab_target(target, slabs.source)
    kind = find_preset(preset or "brain-t1")
    table_of = kind.classes_in((slabs.contrast or (*kind.contrasts, "")[0],))
    k = n_classes if n_classes is not None else 3 if table_of is None else len(table_of)
    config = fit_config(dict(settings, method=method, n_classes=k, seed=seed))
    check_by_intensity(config)
    preparation = preparation_config(mask, box, disc)
    given = _opened_mask(Path(str(mask)), slabs) if preparation.mask == "given" else None
    prepared = follow(prepare_slabs(slabs, preparation, kind, k, mask=given, atlas=read_atlas), progress)
    table = follow(fit_table(prepared.volume, prepared.prepared, config, kind), progress)
    told = {
        **table.provenance,
        "crop": None,
        "streamed": {"slabs": slabs.n_slabs, "intensities": len(prepared.entries), "mask_step": prepared.step},
        "preparation": {"mask": None if mask is None else str(mask), "box": box, "disc": disc},
    }
    notes = (soft_mask_cut(Path(str(mask))),) if prepared.inside.halved else ()
    idle = settings_without_effect(config, table.method)
    findings = (*notes, *table.findings, *idle, _streamed_finding(prepared))
    table = replace(table, provenance=told, findings=findings)
    result = StreamedSegmentation(table, prepared.occurrences, slabs.geometry, slabs.source)
    if begin_writing is not None:
        begin_writing(result)
    labels = table.label_map.labels.reshape(-1)

    def written() -> Iterator[NDArray[np.uint8]]:
        for number, slab in enumerate(prepared.labelled(slabs, labels), start=1):
            yield slab
            tell("Writing the mask", number)

    def tell(phase: str, number: int) -> None:
        if progress is not None:
            progress(FitReport(phase, number, slabs.n_slabs, seconds=time.perf_counter() - began))

    write_label_slabs(
        target,
        written,
        slabs.source,
        slabs.geometry,
        table.label_map.classes,
        lambda number: tell("Reading the mask back", number),
    )
    return result


def _opened_mask(path: Path, slabs: FileSlabs) -> FileSlabs:
    from napari_gmmseg.io.slabs import open_slabs

    mask = open_slabs(path)
    same = mask.source.shape == slabs.source.shape and mask.source.axes == slabs.source.axes
    if not same or not mask.geometry.same_grid(slabs.geometry) or mask.source.flips != slabs.source.flips:
        raise GeometryError(
            f"The mask lies on another grid than the image: {mask.geometry.describe()}, and the image "
            f"{slabs.geometry.describe()}.",
            "Of an image that is read slab by slab the mask lies on its grid, axes in the same order: resample it.",
        )
    return replace(mask, thickness=slabs.thickness)


def _streamed_finding(prepared: PreparedSlabs) -> Finding:
    from napari_gmmseg.volumes import Finding

    coarse = ""
    if prepared.step > 1 and prepared.inside.near is not None:
        coarse = f"; what hangs together in the mask was decided on voxels {prepared.step} apart along each axis"
    return Finding(
        "streamed",
        "The image was larger than the memory that it may take: it was fitted and labelled slab by slab, by its "
        f"intensities alone, without bias correction{coarse}.",
        "For a method that looks at neighbours, crop it or take a coarser image.",
        "note",
    )
