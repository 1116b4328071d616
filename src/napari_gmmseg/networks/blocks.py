"""Parts of a U-Net in two and three dimensions, built without the global random generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CONVOLUTIONS: dict[int, type[nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORMS: dict[int, type[nn.BatchNorm2d | nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE_NORMS: dict[int, type[nn.InstanceNorm2d | nn.InstanceNorm3d]] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
POOLS: dict[int, type[nn.MaxPool2d | nn.MaxPool3d]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


def convolution(n_dims: int, n_inputs: int, n_outputs: int, size: int, *, bias: bool) -> nn.Module:
    """Return a convolution that keeps the image's size; its weights have no values yet.

    Parameters
    ----------
    n_dims : int
        2 or 3.
    n_inputs, n_outputs : int
        Channels.
    size : int
        Of the kernel along each axis, odd, in voxels.
    bias : bool
        Whether a constant is added to each channel.
    """
    # Without the meta device, the constructor would draw weights from the global generator.
    with torch.device("meta"):
        layer = CONVOLUTIONS[n_dims](n_inputs, n_outputs, size, padding=size // 2, bias=bias)
    return layer.to_empty(device="cpu")


def published_block(n_dims: int, n_inputs: int, n_outputs: int) -> nn.Sequential:
    """Return two convolutions as in the program of Schwab et al.: one norm, an instance norm, after the second.

    Parameters
    ----------
    n_dims : int
        2 or 3.
    n_inputs, n_outputs : int
        Channels.
    """
    return nn.Sequential(
        convolution(n_dims, n_inputs, n_outputs, 3, bias=True),
        nn.LeakyReLU(0.01, inplace=True),
        convolution(n_dims, n_outputs, n_outputs, 3, bias=False),
        INSTANCE_NORMS[n_dims](n_outputs, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


def light_block(n_dims: int, n_inputs: int, n_outputs: int, momentum: float = 0.1) -> nn.Sequential:
    """Return two convolutions with a batch norm after each, which learn in few steps.

    Parameters
    ----------
    n_dims : int
        2 or 3.
    n_inputs, n_outputs : int
        Channels.
    momentum : float
        Weight of a batch's mean and variance in those that the norms keep for predictions.
    """
    parts: list[nn.Module] = []
    for n_before in (n_inputs, n_outputs):
        parts += [
            convolution(n_dims, n_before, n_outputs, 3, bias=False),
            BATCH_NORMS[n_dims](n_outputs, momentum=momentum),
            nn.LeakyReLU(0.1, inplace=True),
        ]
    return nn.Sequential(*parts)


def draw_weights(network: nn.Module, generator: torch.Generator) -> None:
    """Draw weights and biases of convolutions and linear layers evenly from +-1 / sqrt(fan-in), as torch does.

    Parameters
    ----------
    network : Module
        Changed in place.
    generator : torch.Generator
        On the CPU; the only source of chance.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            bound = 1.0 / math.sqrt(module.weight[0].numel())
            for parameter in (module.weight, module.bias):
                if parameter is not None:
                    nn.init.uniform_(parameter, -bound, bound, generator=generator)


def padding_to(size: tuple[int, ...], stride: int) -> list[tuple[int, int]]:
    """Return how many voxels to add before and after each axis: to a multiple of the stride, and to two of it at least.

    Two, as an instance norm needs more than one voxel at the lowest level.

    Parameters
    ----------
    size : tuple of int
        The image's, along each axis.
    stride : int
        2 to the power of the depth.
    """
    added = [max(-(-n // stride), 2) * stride - n for n in size]
    return [(a // 2, a - a // 2) for a in added]


def padded(image: Tensor, margins: list[tuple[int, int]]) -> Tensor:
    """Return the image with its edge voxels repeated outwards.

    Parameters
    ----------
    image : Tensor (B, C, *S) float
        Two or three axes in S.
    margins : list of (before, after)
        Voxels to add along each axis of S.
    """
    if not any(sum(margin) for margin in margins):
        return image
    # torch counts axes from the last.
    return nn.functional.pad(image, [n for margin in reversed(margins) for n in margin], mode="replicate")


def cropped(image: Tensor, margins: list[tuple[int, int]]) -> Tensor:
    """Return what `padded` was given the size of.

    Parameters
    ----------
    image : Tensor (B, C, *S) float
        With margins.
    margins : list of (before, after)
        Voxels to take away along each axis of S.
    """
    for axis, (before, after) in enumerate(margins, start=2):
        if before or after:
            image = image.narrow(axis, before, image.shape[axis] - before - after)
    return image
