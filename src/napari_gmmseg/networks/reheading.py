"""A network for more or fewer classes, with all that it has learnt kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Standard deviation of what is added to the copied weights of a new class, as a share of the head's own spread.
_APART = 0.05


def first_convolution(network: nn.Module) -> nn.Conv2d | nn.Conv3d:
    """Return the convolution that sees the image.

    Parameters
    ----------
    network : nn.Module
        A U-Net.
    """
    return next(module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Conv3d)))


def rehead_(
    new: nn.Module,
    old: nn.Module,
    parents: Sequence[Sequence[int]],
    *,
    n_channels: int,
    n_looks: int,
    generator: torch.Generator,
) -> None:
    """Copy a network's weights into one for other classes, in place.

    A class that was split hands its logits to both halves, less log 2, so that their probabilities add up to its own;
    a small seeded perturbation lets them part. Classes that were merged hand on their mean logit, plus log 2.
    Where the network sees class maps, their input channels follow in the same way.

    Parameters
    ----------
    new : nn.Module
        A U-Net of the same width and depth; its weights are overwritten.
    old : nn.Module
        The U-Net that was trained.
    parents : sequence of sequence of int
        The old classes that each new class comes from.
    n_channels : int
        Channels of the image, which come before the class maps in each look.
    n_looks : int
        How often the maps appear in its input.
    generator : torch.Generator
        On the CPU; draws the perturbation.
    """
    state = dict(old.state_dict())
    head = new.head
    assert isinstance(head, (nn.Conv2d, nn.Conv3d))
    assert head.bias is not None
    state["head.weight"], state["head.bias"] = _heads(state["head.weight"], state["head.bias"], parents, generator)
    seen = first_convolution(old)
    name = next(key for key, value in old.state_dict(keep_vars=True).items() if value is seen.weight)
    n_old = seen.weight.shape[1]
    if n_old > n_looks * n_channels:
        state[name] = _inputs(seen.weight.detach(), parents, n_channels, n_looks)
    new.load_state_dict(state)


def _heads(
    weight: Tensor, bias: Tensor, parents: Sequence[Sequence[int]], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    weights = torch.stack([weight[list(p)].mean(0) for p in parents])
    biases = torch.stack([bias[list(p)].mean() + math.log(len(p)) for p in parents])
    spread = _APART * float(weight.std()) if weight.numel() > 1 else _APART
    for k, p in enumerate(parents):
        alike = sum(1 for other in parents if tuple(other) == tuple(p))
        if alike > 1:
            biases[k] -= math.log(alike)
            drawn = torch.randn(weights[k].shape, generator=generator)
            weights[k] += spread * drawn.to(weights)
    return weights, biases


def _inputs(weight: Tensor, parents: Sequence[Sequence[int]], n_channels: int, n_looks: int) -> Tensor:
    looks = weight.chunk(n_looks, 1)
    parts = []
    for look in looks:
        classes = look[:, n_channels:]
        followed = torch.stack([classes[:, list(p)].mean(1) for p in parents], 1)
        parts.append(torch.cat([look[:, :n_channels], followed], 1))
    return torch.cat(parts, 1)
