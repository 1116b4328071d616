"""What speaks for another number of classes: told after a run, and never done by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.volumes import Segmentation, Volume

#: Numbers of classes that are compared.
_COUNTS = range(2, 8)
#: Bhattacharyya distance D below which two classes are hardly told apart: their overlap exp(-D) is above 0.74.
_CLOSE = 0.3
#: Share of the mask below which a class is called small.
_SMALL = 0.01
#: Voxels of the mask that are looked at.
_MOST = 200_000


@dataclass(frozen=True)
class Suggestion:
    """What is suggested.

    Parameters
    ----------
    n_classes : int or None
        The number that the intensities speak for; None where that is not told.
    sentences : tuple of str
        What is suggested, and what seems wrong.
    """

    n_classes: int | None
    sentences: tuple[str, ...]


def suggest(volume: Volume, result: Segmentation) -> Suggestion:
    """Compare numbers of classes, and look for a tissue that was split and for a class that is nearly empty.

    Numbers are compared for images of one channel: with several, voxels between two tissues lie apart from both, and
    are taken for tissues of their own (on the generated heart of 4 tissues 7 are found).

    Parameters
    ----------
    volume : Volume
        The image.
    result : Segmentation
        What was found.
    """
    k = len(result.label_map.classes)
    best = _best(volume, result) if volume.n_channels == 1 else None
    told = [] if best is None else [_number(best, k, named=all(c.role for c in result.label_map.classes))]
    return Suggestion(best, (*told, *_split_tissue(result), *_small_classes(result)))


def _number(best: int, k: int, *, named: bool) -> str:
    why = f"(least BIC of {_COUNTS[0]} to {_COUNTS[-1]})"
    if best < k and named:
        # Under strong noise or shading fewer are found than there are: the tissues are known to be there.
        return f"By their intensities alone only {best} of the {k} tissues can be told apart {why}: noise or shading."
    return f"The intensities speak for {f'these {k}' if best == k else best} classes {why}."


def _best(volume: Volume, result: Segmentation) -> int | None:
    from napari_gmmseg.mixture.class_counts import description_lengths

    try:
        lengths = description_lengths(_inside(volume, result), _COUNTS)
    except GmmsegError:
        # An image of a few intensities: there is nothing to compare.
        return None
    return min(lengths, key=lambda k: lengths[k])


def _inside(volume: Volume, result: Segmentation) -> NDArray[np.float32]:
    inside = np.flatnonzero(result.mask)
    if inside.size > _MOST:
        inside = inside[np.unique(np.random.default_rng(0).integers(0, inside.size, _MOST))]
    return result.intensities(volume).reshape(volume.n_channels, -1)[:, inside]


def _split_tissue(result: Segmentation) -> list[str]:
    from napari_gmmseg.mixture.reshaping import bhattacharyya, class_moments

    means, covariances, _ = class_moments(result.mixture)
    try:
        distances = bhattacharyya(means, covariances)
    except np.linalg.LinAlgError:
        return []
    np.fill_diagonal(distances, np.inf)
    a, b = sorted(int(i) for i in np.unravel_index(int(distances.argmin()), distances.shape))
    if distances[a, b] >= _CLOSE:
        return []
    classes = result.label_map.classes
    return [f"{classes[a].name} and {classes[b].name} are nearly alike: one tissue may be split in two; merge them."]


def _small_classes(result: Segmentation) -> list[str]:
    counts = result.label_map.counts()
    total = max(1, sum(counts.values()))
    return [
        f"{c.name} has only {100 * counts[c.value] / total:.1f} % of the mask: it may be no tissue."
        for c in result.label_map.classes
        if counts[c.value] < _SMALL * total
    ]
