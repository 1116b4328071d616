"""Compare a mask with a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_gmmseg.api.options import PathLike

if TYPE_CHECKING:
    from napari_gmmseg.quality import Evaluation
    from napari_gmmseg.volumes import LabelMap


def evaluate(prediction: LabelMap | PathLike, truth: LabelMap | PathLike, *, match_labels: bool = False) -> Evaluation:
    """Compare a mask with a reference: Dice, HD95 [mm] and volumes [ml] of each class.

    Parameters
    ----------
    prediction, truth : LabelMap or path
        Labels (Z, Y, X) or (T, Z, Y, X) on one grid.
    match_labels : bool
        Whether to rename the predicted labels so that they agree best; the result says so.

    Returns
    -------
    Evaluation
        One entry a class, and the mean Dice.

    Raises
    ------
    GeometryError
        Where the grids differ.
    """
    from napari_gmmseg import quality
    from napari_gmmseg.io import read_labels
    from napari_gmmseg.volumes import LabelMap

    first = prediction if isinstance(prediction, LabelMap) else read_labels(Path(prediction))
    second = truth if isinstance(truth, LabelMap) else read_labels(Path(truth))
    return quality.evaluate(first, second, match_labels=match_labels)
