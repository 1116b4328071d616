"""How large each class of a result is: counted by labels, and summed over the shares of mixed voxels."""

from __future__ import annotations

from dataclasses import dataclass

from napari_gmmseg.volumes.classes import TissueClass
from napari_gmmseg.volumes.segmentation import Segmentation


@dataclass(frozen=True)
class ClassVolume:
    """The size of one class; of a series over time, that of a frame on average.

    Parameters
    ----------
    tissue : TissueClass
        The class.
    voxels_hard : float
        Voxels with its label.
    voxels_soft : float
        Sum of its fractions.
    volume_ml_hard, volume_ml_soft : float or None
        The same times the volume of a voxel, in ml; None where no spacing is known.
    """

    tissue: TissueClass
    voxels_hard: float
    voxels_soft: float
    volume_ml_hard: float | None
    volume_ml_soft: float | None


def class_volumes(result: Segmentation) -> tuple[ClassVolume, ...]:
    """Return the size of each class, in the order of the class table.

    Parameters
    ----------
    result : Segmentation
        The result.
    """
    label_map = result.label_map
    n_frames = label_map.labels.shape[0] if label_map.labels.ndim == 4 else 1
    ml = label_map.geometry.voxel_volume_ml if label_map.geometry.unit == "mm" else None
    counts, volumes = label_map.counts(), []
    for tissue, total in zip(label_map.classes, result.fraction_sums, strict=True):
        hard, soft = counts[tissue.value] / n_frames, float(total) / n_frames
        in_ml = (None, None) if ml is None else (hard * ml, soft * ml)
        volumes.append(ClassVolume(tissue, hard, soft, *in_ml))
    return tuple(volumes)
