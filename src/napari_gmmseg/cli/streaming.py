"""`napari-gmmseg segment` on an image that is larger than memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.tables import segmentation_data, show_segmentation
from napari_gmmseg.cli.targets import side_files
from napari_gmmseg.errors import ResourceError

if TYPE_CHECKING:
    from napari_gmmseg.volumes import StreamedSegmentation


def segment_slab_by_slab(
    errand: Errand, image: Path, output: Path, settings: Mapping[str, Any], refused: Mapping[str, object]
) -> Answer:
    """Segment from file to file, and return what is to be told.

    Parameters
    ----------
    errand : Errand
        Where the files are noted.
    image : Path
        The one channel.
    output : Path
        The mask.
    settings : mapping of str to object
        What `api.segment_to_file` takes.
    refused : mapping of str to object
        Flags that need the whole image in memory, and what was given for them.

    Raises
    ------
    ResourceError
        Where one of those flags was given.
    """
    given = [flag for flag, value in refused.items() if value not in (None, False, ())]
    if given:
        raise ResourceError(
            f"This image is larger than the memory that it may take, and {', '.join(given)} "
            f"need{'s' if len(given) == 1 else ''} all of it there.",
            "Leave that out, or crop the image: without it --method gmm goes slab by slab.",
        )
    beside = side_files(output)
    with FitProgress() as progress:
        result = api.segment_to_file(
            image, output, progress=progress, begin_writing=lambda _: errand.watch((output, *beside)), **settings
        )
    told = {"files": {"mask": output}, "side_files": beside, "inputs": (image,)}
    data = _data(result) | told
    return Answer(data, lambda console: show_segmentation(console, data))


def _data(result: StreamedSegmentation) -> dict[str, Any]:
    """Return what `segmentation_data` does, counted over the image instead of the table of its intensities."""
    table = result.table
    name = str(table.provenance["channels"][0]) or "channel 1"
    data = segmentation_data(table, (name,))
    unit = result.geometry.unit
    ml = result.geometry.voxel_volume_ml if unit == "mm" else None
    counts, n = result.counts(), result.n_voxels
    for row, soft in zip(data["classes"], result.soft_counts(), strict=True):
        voxels = counts[row["value"]]
        hard_ml, soft_ml = (None, None) if ml is None else (voxels * ml, float(soft) * ml)
        row |= {"voxels": voxels, "share": voxels / n, "volume_ml_hard": hard_ml, "volume_ml_soft": soft_ml}
    return data | {"voxels": n, "unit": unit, "mean_uncertainty": result.mean_uncertainty}
