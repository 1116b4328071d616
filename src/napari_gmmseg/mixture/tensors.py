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


def empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a tensor that is not filled yet; on the processor numpy gets its memory, which asks for large pages.

    Parameters
    ----------
    shape : tuple of int
        Its size.
    dtype : torch.dtype
        Of its numbers.
    device : torch.device
        Where.
    """
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.from_numpy(np.empty(shape, dtype=torch.empty(0, dtype=dtype).numpy().dtype))


def gather(maps: Tensor, mask: Tensor) -> Tensor:
    """Return what maps hold inside a mask.

    Parameters
    ----------
    maps : Tensor (C, *grid), any real kind
        Maps.
    mask : Tensor (*grid) bool
        Voxels that are wanted.

    Returns
    -------
    Tensor (C, N), of the same kind
        Contiguous; a copy.
    """
    if maps.device.type != "cpu":
        return maps[:, mask].contiguous()
    # numpy looks for the voxels once and asks for large pages: a tenth of torch's time.
    where = mask.numpy()
    source = maps.numpy()
    result = np.empty((len(source), np.count_nonzero(where)), dtype=source.dtype)
    for row, one in zip(result, source, strict=True):
        row[:] = one[where]
    return torch.from_numpy(result)


def scatter(rows: Tensor, mask: Tensor) -> Tensor:
    """Return maps that hold rows of values inside a mask and 0 outside, the inverse of `gather`.

    Parameters
    ----------
    rows : Tensor (K, N), any real kind
        Values, one a voxel of the mask.
    mask : Tensor (*grid) bool
        Voxels that they belong to.

    Returns
    -------
    Tensor (K, *grid), of the same kind
        Maps.
    """
    if rows.device.type != "cpu":
        grid = torch.zeros((len(rows), *mask.shape), dtype=rows.dtype, device=mask.device)
        for one, row in zip(grid, rows, strict=True):
            one[mask] = row
        return grid
    where, values = mask.numpy(), rows.numpy()
    result = np.zeros((len(rows), *where.shape), dtype=values.dtype)
    for one, row in zip(result, values, strict=True):
        one[where] = row
    return torch.from_numpy(result)


def chunk_size(device: torch.device) -> int:
    """Return how many voxels are worked on at once on a device.

    Parameters
    ----------
    device : torch.device
        Where the work is done.
    """
    return CHUNK.get(device.type, DEVICE_CHUNK)
