"""Write a segmentation, and look first whether it can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gmmseg.api.options import PathLike
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.volumes import ClassTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_gmmseg.volumes import BiasField, LabelMap, Segmentation, Volume


def write(
    path: PathLike,
    segmentation: Segmentation,
    *,
    probabilities: PathLike | None = None,
    uncertainty: PathLike | None = None,
    prior: PathLike | None = None,
    bias_field: PathLike | None = None,
    fractions: PathLike | None = None,
) -> tuple[Path, ...]:
    """Write a segmentation on the grid of its source, each file whole or not at all, read back and compared.

    Parameters
    ----------
    path : path
        The mask; its sidecars (BIDS `dseg.tsv`, ITK-SNAP labels) stand beside it.
    segmentation : Segmentation
        What `segment` returned.
    probabilities : path or None
        Probabilities, one volume a class.
    uncertainty : path or None
        1 - the largest probability.
    prior : path or None
        Class probabilities that a network gave before it saw the voxel's own intensity, one volume a class.
    bias_field : path or None
        The factor by which each channel is too bright, one volume a channel.
    fractions : path or None
        Share of each tissue in each voxel, one volume a class; from what `fraction_basis` of the segmentation says.

    Returns
    -------
    tuple of Path
        What was written: mask, then probabilities, uncertainty, prior, bias field and fractions where asked for.

    Raises
    ------
    SettingsError
        Where a prior or a bias field is asked for and there is none; nothing is written then.
    OutputError
        Where a file cannot be written, or read back differently.
    ResourceError
        Where the disk is full.
    """
    from napari_gmmseg.io import write_labels, write_map

    if prior is not None and segmentation.prior is None:
        raise SettingsError(
            f"There is no prior to write: the method {segmentation.method} has none.",
            "Segment with blindspot or deepsvg, whose network gives one.",
        )
    if bias_field is not None and segmentation.bias_field is None:
        raise SettingsError(
            "There is no bias field to write: none was corrected.", "Segment with bias_field='on' to have one."
        )
    like = segmentation.label_map
    written = [write_labels(Path(path), _with_classes_of_the_mask(like))]
    if probabilities is not None:
        written.append(write_map(Path(probabilities), segmentation.probabilities, like))
    if uncertainty is not None:
        written.append(write_map(Path(uncertainty), segmentation.uncertainty, like))
    if prior is not None and segmentation.prior is not None:
        written.append(write_map(Path(prior), segmentation.prior, like))
    if bias_field is not None and segmentation.bias_field is not None:
        written.append(write_map(Path(bias_field), _on_frames(segmentation.bias_field, like), like))
    if fractions is not None:
        written.append(write_map(Path(fractions), segmentation.fractions, like))
    return tuple(written)


def _with_classes_of_the_mask(label_map: LabelMap) -> LabelMap:
    """Return a label map without a background class: that is 0 in a mask, and its own value stands nowhere."""
    kept = tuple(tissue for tissue in label_map.classes if tissue.role != "background")
    if len(kept) == len(label_map.classes):
        return label_map
    return replace(label_map, classes=ClassTable(kept))


def _on_frames(field: BiasField, like: LabelMap) -> NDArray[np.float32]:
    """Return a field as maps on a grid: (*grid) for one channel, else (C, *grid)."""
    import numpy as np

    maps = field.whole(like.labels.shape)
    if like.labels.ndim > maps.ndim - 1:
        maps = np.broadcast_to(maps[:, None], (len(maps), *like.labels.shape))
    return maps[0] if len(maps) == 1 else maps


def check_writable(
    path: PathLike,
    image: Volume,
    *,
    probabilities: PathLike | None = None,
    uncertainty: PathLike | None = None,
    prior: PathLike | None = None,
    bias_field: PathLike | None = None,
    fractions: PathLike | None = None,
) -> None:
    """Refuse targets that cannot hold what `write` would put there, before an image is segmented.

    Parameters
    ----------
    path : path
        The mask.
    image : Volume
        What is to be segmented.
    probabilities, uncertainty, prior, bias_field, fractions : path or None
        As for `write`.

    Raises
    ------
    OutputError
        Where a folder, a format or its number of axes will not do.
    """
    from napari_gmmseg import io

    fields = min(image.n_channels, 2)
    maps = ((probabilities, 2), (uncertainty, 1), (prior, 2), (bias_field, fields), (fractions, 2))
    for target, n_maps in ((path, 0), *maps):
        if target is not None:
            io.check_writable(Path(target), image, n_maps=n_maps)
