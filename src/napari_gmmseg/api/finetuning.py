"""Fine-tune a network on strokes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_gmmseg.api.following import follow
from napari_gmmseg.api.options import PathLike, validated
from napari_gmmseg.api.reading import read
from napari_gmmseg.api.scribbling import prepared_for_strokes, strokes_on
from napari_gmmseg.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gmmseg.volumes import (
        FinetunedSegmentation,
        FitReport,
        LabelMap,
        NetworkWeights,
        Scribbles,
        Volume,
    )


def finetune(
    image: Volume | PathLike | Sequence[PathLike],
    scribbles: Scribbles | PathLike,
    *,
    seconds: float | None = 5.0,
    steps: int | None = None,
    model: NetworkWeights | PathLike | None = None,
    save_model: PathLike | None = None,
    background: int | None = None,
    preset: str | None = None,
    mask: PathLike | NDArray[Any] | LabelMap | None = "auto",
    region: PathLike | NDArray[Any] | LabelMap | None = None,
    box: tuple[int, int, int, int, int, int] | None = None,
    disc: tuple[float, float, float] | None = None,
    resample: bool = False,
    progress: Callable[[FitReport], object] | None = None,
    **settings: Any,
) -> FinetunedSegmentation:
    """Fine-tune a network on strokes, from their answer at once or from an earlier model.

    Parameters
    ----------
    image : Volume, path, or sequence of paths
        The channels of one case.
    scribbles : Scribbles or path
        Strokes of two classes or more, as `segment` takes them; with a model, of any number.
    seconds : float or None
        Time budget in s; None: none.
    steps : int or None
        Steps at most, and no time budget: same seed, same mask.
    model : NetworkWeights, path or None
        A model to start from; None: a new one.
    save_model : path or None
        Where the trained model is written, ending in `.safetensors`.
    background : int or None
        The value of the strokes that means background: it is 0 in the mask. None: as the strokes, else the model, say.
    preset : str or None
        Kind of image, for its mask and the names of its contrasts.
    mask, region, box, disc, resample
        As `segment` takes them.
    progress : callable or None
        Called with each `FitReport`; what it raises ends the training and leaves nothing behind.
    **settings
        Further fields of `napari_gmmseg.config.finetuning.FinetuneConfig`, e.g. `seed`, `threads`, `smoothness`.

    Returns
    -------
    FinetunedSegmentation
        Label map (Z, Y, X) or (T, Z, Y, X), probabilities (K, *grid), and the trained network as `weights`.

    Raises
    ------
    GmmsegError
        `SettingsError`, `MaskError`, `InputError`, `GeometryError` or `OutputError`, each with a hint.

    Examples
    --------
    >>> result = finetune("T1.nii.gz", "strokes.nii.gz", steps=100)  # doctest: +SKIP
    >>> result.label_map.counts()  # doctest: +SKIP
    """
    from napari_gmmseg.config.finetuning import FinetuneConfig
    from napari_gmmseg.fitting.scribbling import finetuning
    from napari_gmmseg.io import weights as files
    from napari_gmmseg.io.array_files import check_suffix
    from napari_gmmseg.volumes import FinetunedSegmentation, Volume

    config = validated(lambda: FinetuneConfig(seconds=seconds, steps=steps, **settings))
    if save_model is not None:
        check_suffix(os.fspath(save_model))
    network = files.read_weights(os.fspath(model)) if isinstance(model, (str, os.PathLike)) else model
    volume = image if isinstance(image, Volume) else read(image, resample=resample)
    strokes = strokes_on(scribbles, volume, background if network is None else None)
    if strokes is None:
        raise SettingsError("There are no strokes to learn from.", "Give scribbles: a file, or a Scribbles object.")
    if network is not None:
        strokes = _as_the_model(strokes, network, background)
    place = {"mask": mask, "region": region, "box": box, "disc": disc}
    volume, prepared, findings = prepared_for_strokes(volume, strokes, preset, place, resample)
    fit = finetuning.finetune(volume, prepared, strokes, config, weights=network)
    result = follow(fit, progress)
    assert isinstance(result, FinetunedSegmentation)
    if save_model is not None and result.weights is not None:
        files.write_weights(os.fspath(save_model), result.weights)
    return replace(result, findings=(*findings, *result.findings))


def _as_the_model(strokes: Scribbles, network: NetworkWeights, background: int | None) -> Scribbles:
    """Return strokes with the classes of a model, painted or not, and its background where nobody names another."""
    from napari_gmmseg.volumes import ClassTable

    missing = tuple(tissue for tissue in network.classes if strokes.classes.by_value(tissue.value) is None)
    named = (background, strokes.background, network.background)
    return replace(
        strokes,
        classes=ClassTable((*strokes.classes, *missing)),
        background=next((value for value in named if value is not None), None),
    )
