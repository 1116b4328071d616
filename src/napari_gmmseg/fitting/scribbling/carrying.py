"""A first answer to an image from a network that was trained on others."""

from __future__ import annotations

import time
from dataclasses import asdict, replace

from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.fitting.runtime import choose_device, choose_threads, torch_threads
from napari_gmmseg.fitting.scribbling.gaussians import by_network
from napari_gmmseg.fitting.scribbling.placing import Place
from napari_gmmseg.fitting.scribbling.situation import check_channels
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase, scale_of
from napari_gmmseg.fitting.scribbling.tuned_weights import network_of, versions
from napari_gmmseg.fitting.scribbling.tuner import predict
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import FinetunedSegmentation, NetworkWeights, Volume


def carry(
    weights: NetworkWeights, volume: Volume, prepared: Prepared, config: FinetuneConfig | None = None
) -> FinetunedSegmentation:
    """Answer an image by a network that was trained on others, without strokes.

    Intensities are matched by their mean and standard deviation inside the mask. The classes' Gaussians are estimated
    anew from what the network says; a class without voxels keeps those that it had.

    Parameters
    ----------
    weights : NetworkWeights
        The network.
    volume : Volume
        The image, with the same channels.
    prepared : Prepared
        Mask and scale.
    config : FinetuneConfig or None
        Device and threads; None for the defaults.

    Returns
    -------
    FinetunedSegmentation
        Label map (Z, Y, X) or (T, Z, Y, X) and probabilities (K, *grid).

    Raises
    ------
    SettingsError
        Where the image has other channels.
    """
    began = time.perf_counter()
    config = config or FinetuneConfig()
    check_channels(volume, weights)
    device, threads = choose_device(config.device), choose_threads(config.threads)
    place = Place(volume, prepared, weights.classes, weights.background)
    with torch_threads(threads):
        case = TrainingCase.cut(volume, prepared, prepared.mask, len(weights.classes), weights.n_looks, device)
        prior = predict(network_of(weights, device), case)
        answer, mixture = by_network(case, prior, weights.mixture, volume.geometry)
    scale = scale_of(prepared)
    return place.segmentation(
        answer,
        prior,
        case,
        scale.outward(mixture),
        method="carried",
        provenance={
            **versions(),
            "device": str(device),
            "threads": threads,
            "seconds": time.perf_counter() - began,
            "channels": list(volume.channels),
            "settings": asdict(config),
            "cases": weights.cases,
            "network_counts": True,
        },
        weights=replace(weights, say=None),
    )
