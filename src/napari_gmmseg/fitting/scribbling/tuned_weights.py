"""Between a network and its weights as data."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.networks import UNet
from napari_gmmseg.volumes import NetworkWeights


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
