"""DeepLabv3+ with any encoder, and with what is known of the patient beside the image."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from napari_gmmseg.networks.attributes import N_MAPS, AttributeEncoder
from napari_gmmseg.networks.blocks import convolution, cropped, draw_weights, padded, padding_to
from napari_gmmseg.networks.extra import find_encoder
from napari_gmmseg.networks.separable import SmallEncoder, normed

SMALL = "small"
#: Dilations of the pyramid's branches, and channels of the branch of fine detail: Wan et al. (2023), section 3.3.
RATES, DETAIL = (6, 12, 18), 48
_STRIDE = 16
#: Entry of the features at 1/4, where fine detail joins.
_FINE = 2


class DeepLab(nn.Module):
    """Class logits of each voxel of a slice of any size, from its intensities and the patient's attributes.

    DeepLabv3+ (Chen et al. 2018): an encoder down to 1/16, a pyramid of dilated convolutions, and a decoder that joins
    features at 1/4. Wan et al. (2023) take regnetz_040 as the encoder and have maps of attributes join its last
    features before the pyramid. Ours departs in three things: pyramid and decoder have group norms, so that a batch of
    one can be learnt from; nothing is dropped at random; and edges are repeated up to a multiple of 16.

    Parameters
    ----------
    n_inputs : int
        Channels of the image.
    n_outputs : int
        Classes.
    encoder : str
        "small", which needs nothing more, or a name for `find_encoder`.
    width : int
        Channels of pyramid and decoder.
    n_attributes : int
        Numbers that tell the attributes; 0: a network without.
    attribute_grid : int
        Places along each axis that the attributes' maps are told at; 1: the same everywhere.
    generator : torch.Generator
        On the CPU; the weights are drawn from it alone.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        encoder: str = SMALL,
        width: int = 64,
        n_attributes: int = 0,
        attribute_grid: int = 1,
        generator: Generator,
    ) -> None:
        super().__init__()
        made = SmallEncoder(n_inputs) if encoder == SMALL else None
        self.attributes = AttributeEncoder(n_attributes, attribute_grid) if n_attributes else None
        found = made or find_encoder(encoder, n_inputs, generator)
        channels: list[int] = list(found.out_channels)  # type: ignore[arg-type]
        n_deep = channels[-1] + (N_MAPS if n_attributes else 0)
        self.branches = nn.ModuleList([normed(n_deep, width), *(normed(n_deep, width, 3, dilation=r) for r in RATES)])
        self.overview = normed(n_deep, width)
        self.join = nn.Sequential(normed((len(RATES) + 2) * width, width), normed(width, width, 3))
        self.detail = normed(channels[_FINE], DETAIL)
        self.merge = normed(width + DETAIL, width, 3)
        self.head = convolution(2, width, n_outputs, 1, bias=True)
        if made is not None:
            self.encoder: nn.Module = made
            draw_weights(self, generator)
        else:
            draw_weights(self, generator)
            # Drawn already, by its own rule.
            self.encoder = found

    @property
    def stride(self) -> int:
        """Voxels of the image to one of the deepest features, along each axis."""
        return _STRIDE

    def forward(self, image: Tensor, attributes: Tensor | None = None) -> Tensor:
        """Return class logits.

        Parameters
        ----------
        image : Tensor (B, n_inputs, Y, X) float
            Standardised intensities (1), of any size.
        attributes : Tensor (B, n_attributes) float or None
            0 for what is not known; None: nothing is known.

        Returns
        -------
        Tensor (B, n_outputs, Y, X) float
            Logits (1).
        """
        margins = padding_to(tuple(image.shape[2:]), _STRIDE)
        inside = padded(image, margins)
        features = self.encoder(inside)
        deep = features[-1]
        if self.attributes is not None:
            if attributes is None:
                attributes = image.new_zeros(len(image), self.attributes.n_attributes)
            maps = self.attributes(attributes, (int(deep.shape[2]), int(deep.shape[3])))
            deep = torch.cat([deep, maps.to(deep.dtype)], 1)
        overview = self.overview(deep.mean((2, 3), keepdim=True)).expand(-1, -1, *deep.shape[2:])
        pyramid = self.join(torch.cat([*(branch(deep) for branch in self.branches), overview], 1))
        fine = self.detail(features[_FINE])
        merged = self.merge(torch.cat([_enlarged(pyramid, fine.shape[2:]), fine], 1))
        logits: Tensor = cropped(_enlarged(self.head(merged), inside.shape[2:]), margins)
        return logits


def _enlarged(maps: Tensor, size: torch.Size) -> Tensor:
    return nn.functional.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
