"""Light parts of a network: convolutions in two steps, group norms, and an encoder for machines without a card."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Channels of a group that is normalised together; unlike a batch norm, it works alike for a batch of one.
_GROUP = 8


def normed(n_inputs: int, n_outputs: int, size: int = 1, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Return a convolution, in two steps where it is larger than a voxel, a group norm and an activation.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.
    size : int
        Of the kernel along each axis, odd.
    stride : int
        Voxels of the input to one of the output.
    dilation : int
        Voxels between the taps of the kernel.
    """
    # Without the meta device, the constructor would draw weights from the global generator.
    with torch.device("meta"):
        if size == 1:
            layers: list[nn.Module] = [nn.Conv2d(n_inputs, n_outputs, 1, stride, bias=False)]
        else:
            reach = dilation * (size // 2)
            layers = [
                nn.Conv2d(n_inputs, n_inputs, size, stride, reach, dilation, groups=n_inputs, bias=False),
                nn.Conv2d(n_inputs, n_outputs, 1, bias=False),
            ]
    parts = [layer.to_empty(device="cpu") for layer in layers]
    return nn.Sequential(*parts, group_norm(n_outputs), nn.ReLU(inplace=True))


def group_norm(n_channels: int) -> nn.GroupNorm:
    """Return a group norm of eight channels a group, or fewer where they do not divide.

    Parameters
    ----------
    n_channels : int
        Channels.
    """
    size = next(n for n in range(min(_GROUP, n_channels), 0, -1) if n_channels % n == 0)
    return nn.GroupNorm(n_channels // size, n_channels)


class SmallEncoder(nn.Module):
    """Features at 1/2, 1/4, 1/8 and 1/16 of an image, for a processor alone: no batch norm, few parameters.

    Parameters
    ----------
    n_inputs : int
        Channels of the image.
    """

    #: Channels at 1/1 (the image, filled in), 1/2, 1/4, 1/8 and 1/16.
    widths = (16, 32, 64, 128)

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.out_channels = (n_inputs, *self.widths)
        with torch.device("meta"):
            stem = nn.Conv2d(n_inputs, self.widths[0], 3, 2, 1, bias=False)
        self.stem = nn.Sequential(stem.to_empty(device="cpu"), group_norm(self.widths[0]), nn.ReLU(inplace=True))
        pairs = list(zip(self.widths, self.widths[1:], strict=False))
        self.down = nn.ModuleList(normed(before, after, 3, stride=2) for before, after in pairs)
        self.inner = nn.ModuleList(nn.Sequential(normed(w, w, 3), normed(w, w, 3)) for _, w in pairs)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features.

        Parameters
        ----------
        image : Tensor (B, n_inputs, Y, X) float
            Y and X multiples of 16.

        Returns
        -------
        list of Tensor (B, width, Y / 2^i, X / 2^i)
            The image itself, then i = 1 ... 4.
        """
        features = [image, self.stem(image)]
        for down, inner in zip(self.down, self.inner, strict=True):
            narrow = down(features[-1])
            features.append(narrow + inner(narrow))
        return features
