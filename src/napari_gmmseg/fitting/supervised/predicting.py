"""Predict a case with a network that learnt from labels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_gmmseg.config.presets import GREY
from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.errors import InputError, SettingsError
from napari_gmmseg.fitting.runtime import choose_device, choose_threads, torch_threads
from napari_gmmseg.fitting.scribbling.tuned_weights import versions
from napari_gmmseg.fitting.supervised.learner import new_network
from napari_gmmseg.fitting.supervised.looking import probabilities_of
from napari_gmmseg.fitting.supervised.slices import SlicedCase
from napari_gmmseg.mixture.densities import mean_log_likelihood
from napari_gmmseg.networks import DeepLab
from napari_gmmseg.volumes import (
    Attributes,
    AttributeTable,
    ClassTable,
    Finding,
    LabelledCase,
    LabelMap,
    Mixture,
    Segmentation,
    TissueClass,
    TrainedModel,
    Volume,
)

#: Added to variances, as a share of the channel's: a class of one voxel has a width, too.
_WIDTH = 1e-4


def predict(
    model: TrainedModel,
    volume: Volume,
    attributes: Attributes | None = None,
    *,
    device: str = "auto",
    threads: int | None = None,
) -> Segmentation:
    """Predict a volume slice by slice.

    Parameters
    ----------
    model : TrainedModel
        The network.
    volume : Volume
        The image, (C, Z, Y, X), with the model's channels: in its order, or in any where all of them are named.
    attributes : mapping of str to str or number, or None
        What is known of the patient; what is missing counts as unknown.
    device : str
        As `TrainingConfig.device`.
    threads : int or None
        Processor threads; None: all cores but one.

    Returns
    -------
    Segmentation
        Labels (Z, Y, X), and probabilities of each class with background as the last one.

    Raises
    ------
    InputError
        Where the image has other channels, or a time axis.
    SettingsError
        Where the weights do not fit the network that they describe.
    """
    began = time.perf_counter()
    volume = _in_order(model, volume)
    _check_channels(model, volume)
    where, n_threads = choose_device(device), choose_threads(threads)
    case = LabelledCase("the image", "", volume.data, None, volume.channels, attributes=dict(attributes or {}))
    with torch_threads(n_threads):
        probabilities, foreground = predict_case(model, case, where)
    background = _background(model.classes)
    classes = ClassTable((*model.classes, background))
    # Background comes last, as everywhere else where it is a class.
    probabilities = np.concatenate([probabilities[1:], probabilities[:1]])
    values = np.array([*model.classes.values, 0], dtype=np.uint8)
    labels = values[probabilities.argmax(0)]
    mixture = _mixture(volume.data, probabilities, foreground)
    samples = volume.data[:, foreground]
    return Segmentation(
        label_map=LabelMap(labels, volume.geometry, classes, volume.source),
        probabilities=probabilities,
        mask=np.ones(volume.grid_shape, dtype=bool),
        mixture=mixture,
        method="trained",
        log_likelihood=mean_log_likelihood(mixture, samples),
        steps=0,
        findings=(*volume.findings, *_doubts(model, case)),
        provenance={
            **versions(),
            "device": str(where),
            "threads": n_threads,
            "seconds": time.perf_counter() - began,
            "background": background.value,
            "attributes": dict(case.attributes),
            "model": dict(model.provenance),
        },
    )


def predict_case(
    model: TrainedModel, case: LabelledCase, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return what a network says of a case, and its head.

    Parameters
    ----------
    model : TrainedModel
        The network.
    case : LabelledCase
        With the model's channels; labels are not looked at.
    device : torch.device
        Where to compute.

    Returns
    -------
    probabilities : ndarray (K, Z, Y, X) float32
        Background first.
    foreground : ndarray (Z, Y, X) bool
        Voxels of the head.
    """
    config = settings_of(model)
    network = network_of(model, config).to(device).eval()
    unlabelled = LabelledCase(case.name, case.patient, case.image, None, case.channels, case.positions, case.attributes)
    sliced = SlicedCase(unlabelled, model.classes, AttributeTable.from_dict(model.attributes), config.slices)
    return probabilities_of(network, sliced, device), sliced.foreground


def settings_of(model: TrainedModel) -> TrainingConfig:
    """Return the settings that a model was trained with.

    Parameters
    ----------
    model : TrainedModel
        The model.
    """
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in model.settings.items()
    }
    return TrainingConfig(**values)


def network_of(model: TrainedModel, config: TrainingConfig) -> DeepLab:
    """Return a model's network: each weight in its place, and none left over.

    Parameters
    ----------
    model : TrainedModel
        Weights, classes and channels.
    config : TrainingConfig
        From `settings_of`.

    Raises
    ------
    SettingsError
        Where the weights do not fit the network that they describe.
    """
    table = AttributeTable.from_dict(model.attributes)
    network = new_network(config, len(model.channels), len(model.classes) + 1, table)
    try:
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in model.arrays.items()})
    except RuntimeError as error:
        raise SettingsError(
            "The model's weights do not fit the network that it describes.", "Take a file that `train` wrote."
        ) from error
    return network


def _in_order(model: TrainedModel, volume: Volume) -> Volume:
    """Return a volume with its channels in the model's order, where their names tell it without doubt."""
    names = volume.channels
    if "" in names or len(set(names)) < len(names) or sorted(names) != sorted(model.channels):
        return volume
    order = [names.index(name) for name in model.channels]
    return volume if names == model.channels else replace(volume, data=volume.data[order], channels=model.channels)


def _check_channels(model: TrainedModel, volume: Volume) -> None:
    if volume.data.ndim != 4:
        raise InputError("The image has a time axis, and the model takes none.", "Give one frame with --frame N.")
    told = ", ".join(name or "?" for name in model.channels)
    if volume.n_channels != len(model.channels):
        raise InputError(
            f"The model takes {len(model.channels)} channels ({told}), and the image has {volume.n_channels}.",
            "Give one file a channel, in that order.",
        )
    for own, given in zip(model.channels, volume.channels, strict=True):
        if own and given and own != given:
            raise InputError(
                f"The model takes the channels {told}, and a channel of the image is {given!r} in place of {own!r}.",
                "Give the model's channels in its order, or name all of them with --contrast.",
            )


def _background(classes: ClassTable) -> TissueClass:
    value = next(value for value in range(255, 0, -1) if value not in classes.values)
    return TissueClass(value, "Background", "BG", GREY, "background")


def _mixture(data: NDArray[np.float32], probabilities: NDArray[np.float32], mask: NDArray[np.bool_]) -> Mixture:
    """Return one Gaussian a class with the moments of the intensities under the network's answer."""
    x, w = data[:, mask].astype(np.float64), probabilities[:, mask].astype(np.float64) + 1e-12
    x = np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)
    masses = w.sum(1)
    means = w @ x.T / masses[:, None]
    floor = np.diag(np.maximum(x.var(1) * _WIDTH, 1e-12))
    covariances = np.stack(
        [((x - m[:, None]) * v) @ (x - m[:, None]).T / n + floor for m, v, n in zip(means, w, masses, strict=True)]
    )
    return Mixture(masses / masses.sum(), means, covariances, np.arange(len(means)))


def _doubts(model: TrainedModel, case: LabelledCase) -> list[Finding]:
    table = AttributeTable.from_dict(model.attributes)
    found = []
    unheard: Mapping[str, str] = table.unheard(case.attributes)
    if unheard:
        told = ", ".join(f"{name} {value}" for name, value in unheard.items())
        found.append(
            Finding("unheard-attribute", f"No patient of the training was of this kind: {told}.", "It was left out.")
        )
    if misread := table.misread(case.attributes):
        words = ", ".join(f"{name} is {value!r}" for name, value in misread.items())
        found.append(
            Finding("misread-attribute", f"{words}: no number, so that it counts as unknown.", "Write a number alone.")
        )
    if missing := table.missing(case.attributes):
        found.append(
            Finding(
                "missing-attributes",
                f"{len(missing)} of {len(table.names)} attributes are not known: {', '.join(missing)}.",
                "Give them with --attribute NAME=VALUE, where they are known.",
                "note",
            )
        )
    return found
