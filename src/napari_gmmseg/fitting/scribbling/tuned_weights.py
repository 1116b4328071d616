"""Between a network and its weights as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.networks import UNet
from napari_gmmseg.volumes import Mixture, NetworkWeights


def tensors_of(weights: NetworkWeights) -> dict[str, Tensor]:
    """Return weights as tensors.

    Parameters
    ----------
    weights : NetworkWeights
        Of any network.
    """
    return {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in weights.arrays.items()}


def network_of(weights: NetworkWeights, device: torch.device) -> UNet:
    """Return the network that weights belong to, ready to predict.

    Parameters
    ----------
    weights : NetworkWeights
        Of a fine-tuned network.
    device : torch.device
        Where to.

    Raises
    ------
    SettingsError
        Where they do not fit the network that they describe.
    """
    network = UNet(
        weights.n_inputs,
        len(weights.classes),
        width=weights.width,
        depth=weights.depth,
        published=True,
        generator=torch.Generator().manual_seed(0),
    )
    try:
        network.load_state_dict(tensors_of(weights))
    except RuntimeError as error:
        raise SettingsError(
            "The model's weights do not fit the network that it describes.",
            "Take a file that `finetune --save-model` wrote.",
        ) from error
    return network.to(device).eval()


def versions() -> dict[str, str]:
    """Return what is noted of the programs."""
    return {"napari_gmmseg": version("napari-gmmseg"), "torch": torch.__version__}


def trained_further(
    weights: NetworkWeights,
    n_steps: int,
    arrays: Mapping[str, NDArray[np.float32]],
    mixture: Mixture,
    say: float,
    snapshots: tuple[Mapping[str, NDArray[np.float32]], ...],
) -> NetworkWeights:
    """Return a model after it has learnt from one case more.

    Parameters
    ----------
    weights : NetworkWeights
        Before.
    n_steps : int
        Taken since.
    arrays : mapping of str to ndarray, any shape
        The network's parameters now.
    mixture : Mixture
        Of the new case, in standardised intensities.
    say : float
        How much the network counts on the new case, 0 ... 1.
    snapshots : tuple of mapping of str to ndarray, any shape
        Parameters at earlier steps.
    """
    return replace(
        weights,
        arrays=arrays,
        mixture=mixture,
        cases=weights.cases + 1,
        steps=weights.steps + n_steps,
        provenance=versions(),
        say=say,
        snapshots=snapshots,
    )
