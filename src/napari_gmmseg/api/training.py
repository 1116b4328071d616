"""Train a network on labelled cases, and predict with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gmmseg.api.options import PathLike, validated
from napari_gmmseg.api.reading import read
from napari_gmmseg.errors import SettingsError

if TYPE_CHECKING:
    from napari_gmmseg.config.training import TrainingConfig
    from napari_gmmseg.volumes import (
        CaseSet,
        FitReport,
        FitState,
        LabelledCase,
        Segmentation,
        TrainedModel,
        Volume,
    )

Scores = dict[str, dict[str, float]]


def train(
    cases: CaseSet | PathLike,
    output: PathLike,
    *,
    resume: bool = False,
    encoder_weights: PathLike | None = None,
    progress: Callable[[FitReport], object] | None = None,
    **settings: Any,
) -> TrainedModel:
    """Train a network on labelled cases; write it with its card.

    After each epoch the training's state is written beside the output; it is gone once the model is there.

    Parameters
    ----------
    cases : CaseSet or path
        A folder laid out like the LGG data, or a list of cases as CSV.
    output : path
        Where the model is written, ending in `.safetensors`; its card lies beside it, ending in `.md`. Another page of
        that name is never written over, and of an earlier card the section on licences stays.
    resume : bool
        Whether to go on from where an unfinished training for the same output stood.
    encoder_weights : path or None
        Public weights of the encoder, as `.safetensors`.
    progress : callable or None
        Called with each `FitReport`; what it raises ends the training, and the last epoch's state stays.
    **settings
        Fields of `napari_gmmseg.config.training.TrainingConfig`, e.g. `encoder`, `epochs`, `seed`.

    Returns
    -------
    TrainedModel
        The network of the best epoch, with what was measured on validation and test.

    Raises
    ------
    GmmsegError
        `InputError`, `SettingsError`, `OutputError` or `ResourceError`, each with a hint.

    Examples
    --------
    >>> model = train("cases.csv", "model.safetensors", epochs=40)  # doctest: +SKIP
    """
    from napari_gmmseg.config.training import TrainingConfig
    from napari_gmmseg.fitting import supervised
    from napari_gmmseg.io import trained_models as files
    from napari_gmmseg.io.array_files import check_suffix
    from napari_gmmseg.io.case_lists import read_cases
    from napari_gmmseg.io.model_cards import card_path, check_card, write_card

    target = Path(os.fspath(output))
    check_suffix(target)
    check_card(card_path(target))
    config = validated(lambda: TrainingConfig(**settings), TrainingConfig, "train")
    state = _unfinished(target, resume)
    known = read_cases(os.fspath(cases)) if isinstance(cases, (str, os.PathLike)) else cases
    weights = None if encoder_weights is None else files.read_public_weights(os.fspath(encoder_weights))
    _check_encoder_weights(config, weights is not None)
    steps = supervised.train(known, config, state=state, encoder_weights=weights)
    place = files.state_path(target)
    try:
        while True:
            report = next(steps)
            if report.state is not None:
                files.write_state(place, report.state)
            if progress is not None:
                progress(report)
    except StopIteration as end:
        model: TrainedModel = end.value
    finally:
        steps.close()
    model = replace(model, scores=scores_of(model, known))
    files.write_model(target, model)
    write_card(card_path(target), model)
    place.unlink(missing_ok=True)
    return model


def predict(
    model: TrainedModel | PathLike,
    image: Volume | PathLike | Sequence[PathLike],
    *,
    attributes: Mapping[str, str | int | float] | None = None,
    resample: bool = False,
    device: str = "auto",
    threads: int | None = None,
) -> Segmentation:
    """Predict one case with a network that `train` wrote.

    Parameters
    ----------
    model : TrainedModel or path
        The network.
    image : Volume, path, or sequence of paths
        The channels of the case, in the model's order.
    attributes : mapping or None
        What is known of the patient, by the names of the training's columns.
    resample : bool
        Whether channels on other grids are resampled to the first one's.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    threads : int or None
        Processor threads; None: all cores but one.

    Returns
    -------
    Segmentation
        Label map (Z, Y, X), probabilities (K, Z, Y, X) with background as the last class.

    Raises
    ------
    GmmsegError
        `InputError`, `SettingsError` or `GeometryError`, each with a hint.

    Examples
    --------
    >>> result = predict("model.safetensors", ["T1.nii.gz", "FLAIR.nii.gz"])  # doctest: +SKIP
    """
    from napari_gmmseg.fitting import supervised
    from napari_gmmseg.volumes import Volume

    volume = image if isinstance(image, Volume) else read(image, resample=resample)
    return supervised.predict(opened_model(model), volume, attributes, device=device, threads=threads)


def opened_model(model: TrainedModel | PathLike) -> TrainedModel:
    """Return a trained network, read where it is a path.

    Parameters
    ----------
    model : TrainedModel or path
        The network.
    """
    from napari_gmmseg.io.trained_models import read_model

    return read_model(os.fspath(model)) if isinstance(model, (str, os.PathLike)) else model


def scores_of(model: TrainedModel, cases: CaseSet) -> Scores:
    """Return what is measured on the cases of validation and test; on those alone.

    Parameters
    ----------
    model : TrainedModel
        The network.
    cases : CaseSet
        Those that it was trained with.
    """
    import numpy as np

    from napari_gmmseg.fitting.runtime import choose_device, choose_threads, torch_threads
    from napari_gmmseg.fitting.supervised.predicting import predict_case
    from napari_gmmseg.quality.lesions import lesion_scores

    device = choose_device(str(model.settings["device"]))
    values = np.array([0, *model.classes.values], dtype=np.uint8)
    by_name = {case.name: case for case in cases.cases}
    found: Scores = {}
    with torch_threads(choose_threads(model.settings["threads"])):
        for part in ("validation", "test"):
            pairs = []
            for case in (by_name[name] for name in model.parts[part]):
                probabilities, _ = predict_case(model, case, device)
                pairs.append((values[probabilities.argmax(0)], _labels(case)))
            if pairs:
                found[part] = lesion_scores(pairs, model.classes.values).as_dict()
    return found


def _labels(case: LabelledCase) -> Any:
    assert case.labels is not None, "only labelled cases are measured on"
    return case.labels


def _unfinished(target: Path, resume: bool) -> FitState | None:
    from napari_gmmseg.io.trained_models import read_state, state_path

    place = state_path(target)
    if resume and not place.exists():
        raise SettingsError(
            f"There is no unfinished training {place}.", "Leave --resume out to begin, or check the name of the output."
        )
    if not resume and place.exists():
        raise SettingsError(
            f"A training for {target.name} is not at its end: {place}.",
            "Go on with --resume, or remove that file to begin anew.",
        )
    return read_state(place) if resume else None


def _check_encoder_weights(config: TrainingConfig, given: bool) -> None:
    if given and config.encoder == "small":
        raise SettingsError(
            "Weights were given for the encoder small, and there are no public ones.",
            "Name the encoder that they are of, such as --encoder tu-regnetz_040.",
        )
