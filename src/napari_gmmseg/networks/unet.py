"""U-Nets: that of the published deep mixtures, and a light one."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from napari_gmmseg.networks.blocks import (
    POOLS,
    convolution,
    cropped,
    draw_weights,
    light_block,
    padded,
    padding_to,
    published_block,
)


class UNet(nn.Module):
    """Class logits of each voxel from an image of any size.

    Ronneberger, Fischer and Brox (2015), with zero padding, so that the size is kept. Channels double with each
    halving of the image, by max-pooling; on the way up the image is doubled by repetition, follows a 1 x 1 convolution,
    and joins the level's own features.

    Parameters
    ----------
    n_inputs : int
        Channels of the image.
    n_outputs : int
        Classes.
    width : int
        Channels of the first level.
    depth : int
        How often the image is halved.
    n_dims : int
        2 or 3.
    published : bool
        The network of Schwab et al., as in their program: one instance norm a block. Otherwise two batch norms a block
        and no biases, which learns in fewer steps.
    norm_momentum : float
        Of the batch norms: weight of a batch's mean and variance in those that they keep for predictions.
    generator : torch.Generator
        On the CPU; the weights are drawn from it alone.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        width: int,
        depth: int,
        n_dims: int = 2,
        published: bool,
        norm_momentum: float = 0.1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        block = published_block if published else partial(light_block, momentum=norm_momentum)
        widths = [width * 2**level for level in range(depth + 1)]
        self.depth = depth
        self.pool = POOLS[n_dims](2)
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.down = nn.ModuleList(
            block(n_dims, before, after) for before, after in zip([n_inputs, *widths], widths, strict=False)
        )
        rising = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.narrow = nn.ModuleList(convolution(n_dims, below, level, 1, bias=True) for below, level in rising)
        self.up = nn.ModuleList(block(n_dims, 2 * level, level) for _, level in rising)
        self.head = convolution(n_dims, width, n_outputs, 1, bias=True)
        draw_weights(self, generator)

    @property
    def stride(self) -> int:
        """Voxels of the image to one of the lowest level, along each axis."""
        return 1 << self.depth

    def forward(self, image: Tensor) -> Tensor:
        """Return class logits.

        Parameters
        ----------
        image : Tensor (B, n_inputs, *S) float
            Standardised intensities (1); S of any size, edges are repeated up to a multiple of the stride.

        Returns
        -------
        Tensor (B, n_outputs, *S) float
            Logits (1).
        """
        margins = padding_to(tuple(image.shape[2:]), self.stride)
        features = padded(image, margins)
        levels: list[Tensor] = []
        for block in self.down[:-1]:
            features = block(features)
            levels.append(features)
            features = self.pool(features)
        features = self.down[-1](features)
        for narrow, block in zip(self.narrow, self.up, strict=True):
            # A 1 x 1 convolution before the doubling gives the same as after it, for a quarter of the work.
            features = block(torch.cat([self.enlarge(narrow(features)), levels.pop()], 1))
        logits: Tensor = cropped(self.head(features), margins)
        return logits
