"""The one place where numpy arrays become tensors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]

# Big enough to hide the cost of a call, small enough for its temporaries to stay in a core's cache.
CHUNK = {"cpu": 32_768}
DEVICE_CHUNK = 1 << 20


def as_tensor(array: Tensor | Array) -> Tensor:
    """Return a tensor on the same memory; read-only arrays are accepted and must not be written to.

    A tensor on a device without float64 (Apple's) is brought to the processor, as sums over voxels need it.

    Parameters
    ----------
    array : Tensor or ndarray, any shape, any real kind
        Byte order other than the machine's, unsigned 16- and 32-bit integers and negative strides are copied.
    """
    if isinstance(array, Tensor):
        return array.cpu() if array.device.type == "mps" else array
    array = np.asarray(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64 if array.dtype.itemsize > 2 else np.int32)
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def chunk_size(device: torch.device) -> int:
    """Return how many voxels are worked on at once on a device.

    Parameters
    ----------
    device : torch.device
        Where the work is done.
    """
    return CHUNK.get(device.type, DEVICE_CHUNK)
