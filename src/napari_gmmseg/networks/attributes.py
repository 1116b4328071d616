"""What is known of a patient, as a map that joins what a network sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Maps that the attributes become, and what lies between: 3 and 64.
N_MAPS, HIDDEN = 3, 64


class AttributeEncoder(nn.Module):
    """Maps from a patient's attributes: N - 64 - 3 numbers a place.

    Wan et al. (2023), section 3.2, tell a vector of length N that becomes three maps of the deepest feature's size, and
    no layers. A grid of the feature's own size is that, and it ties the network to one size of image; so the grid is
    ours to choose, and is enlarged to any size. A grid of 1 says the same everywhere.

    Parameters
    ----------
    n_attributes : int
        N, numbers that tell the attributes.
    grid : int
        Places along each axis that the maps are told at.
    """

    def __init__(self, n_attributes: int, grid: int = 1) -> None:
        super().__init__()
        self.n_attributes, self.grid = n_attributes, grid
        # Without the meta device, the constructor would draw weights from the global generator.
        with torch.device("meta"):
            layers = nn.Sequential(
                nn.Linear(n_attributes, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, N_MAPS * grid * grid), nn.SiLU()
            )
        self.layers = layers.to_empty(device="cpu")

    def forward(self, attributes: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the maps.

        Parameters
        ----------
        attributes : Tensor (B, N) float
            Of each image; 0 for what is not known.
        size : (int, int)
            Of the maps.

        Returns
        -------
        Tensor (B, 3, *size) float
            Features.
        """
        maps: Tensor = self.layers(attributes).view(len(attributes), N_MAPS, self.grid, self.grid)
        if self.grid == 1:
            return maps.expand(-1, -1, *size)
        return nn.functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
