"""Voxels hidden from the network, so that it has to predict their class from their neighbours."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor


def hide(inputs: Tensor, share: float, generator: torch.Generator, *, reach: int = 2) -> tuple[Tensor, Tensor]:
    """Return the inputs with a random set of voxels replaced by near neighbours' values, and the set.

    The masking of Noise2Self (Batson and Royer 2019, section 3), where a likelihood evaluated on the hidden voxels
    alone cannot be lowered by copying a voxel's own intensity: a network f with f(x)_J independent of x_J. Here each
    voxel is in J by itself with probability `share`, and takes the value of one random neighbour, all channels
    together. The neighbour is drawn evenly from the box of `reach`, without the voxel itself; an offset that leads out
    of the image is mirrored along that axis.

    Parameters
    ----------
    inputs : Tensor (B, C, *S) float
        What the network is given; not changed.
    share : float
        Probability of each voxel to be hidden, in (0, 1).
    generator : torch.Generator
        On the CPU; the only source of chance, so that the same seed hides the same voxels on each device.
    reach : int
        Farthest neighbour along an axis, in voxels; along short axes at most half their length.

    Returns
    -------
    hidden_inputs : Tensor (B, C, *S) float
        The inputs with hidden voxels replaced.
    hidden : Tensor (B, *S) bool
        The hidden voxels: none where an image has one voxel only, which has no neighbours.
    """
    n_images, size = len(inputs), inputs.shape[2:]
    # Half the length is the farthest offset that stays inside in one direction or the other, from each voxel.
    reaches = [min(reach, n // 2) for n in size]
    offsets = torch.tensor([o for o in product(*(range(-r, r + 1) for r in reaches)) if any(o)], dtype=torch.long)
    if not len(offsets):
        return inputs.clone(), torch.zeros(n_images, *size, dtype=torch.bool, device=inputs.device)
    hidden = torch.rand(n_images * math.prod(size), generator=generator) < share
    places = hidden.nonzero().squeeze(1)
    chosen = offsets[torch.randint(len(offsets), places.shape, generator=generator)]
    sources = torch.zeros_like(places)
    rest, stride = places, 1
    for axis in reversed(range(len(size))):
        n, offset = size[axis], chosen[:, axis]
        position = rest % n
        rest = rest // n
        moved = position + offset
        moved = torch.where((moved < 0) | (moved >= n), position - offset, moved)
        sources += moved * stride
        stride *= n
    image_of = rest
    places = places - image_of * stride
    image_of, places, sources = (_moved(x, inputs.device) for x in (image_of, places, sources))
    result = inputs.clone(memory_format=torch.contiguous_format)
    flat = result.flatten(2)
    flat[image_of, :, places] = inputs.flatten(2)[image_of, :, sources]
    return result, _moved(hidden.view(n_images, *size), inputs.device)


def _moved(drawn: Tensor, device: torch.device) -> Tensor:
    """Return what was drawn on the CPU on a device; on a card while the CPU goes on."""
    return drawn.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else drawn.to(device)
