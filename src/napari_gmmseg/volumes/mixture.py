"""The parameters of a Gaussian mixture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.geometry import read_only


@dataclass(frozen=True)
class Mixture:
    """A mixture of G Gaussians in C channels that make up K classes.

    Parameters
    ----------
    mixing_weights : ndarray (G,) float64
        Sum to 1.
    means : ndarray (G, C) float64
        In the image's own intensity unit.
    covariances : ndarray (G, C, C) float64
        Diagonal matrices for a diagonal mixture.
    class_of : ndarray (G,) int64
        The class k that Gaussian g belongs to.
    """

    mixing_weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    class_of: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("mixing_weights", "means", "covariances"):
            object.__setattr__(self, name, read_only(np.asarray(getattr(self, name), dtype=np.float64)))
        object.__setattr__(self, "class_of", read_only(np.asarray(self.class_of, dtype=np.int64)))

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return int(self.class_of.max()) + 1

    @property
    def n_channels(self) -> int:
        """Number of channels C."""
        return int(self.means.shape[1])

    @property
    def stds(self) -> NDArray[np.float64]:
        """Standard deviations (G, C): roots of the covariances' diagonals."""
        return np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2))

    def class_means(self) -> NDArray[np.float64]:
        """Return the mean (K, C) of each class: its Gaussians' means, weighted by their mixing weights."""
        sums = np.zeros((self.n_classes, self.n_channels))
        weights = np.zeros(self.n_classes)
        np.add.at(sums, self.class_of, self.mixing_weights[:, None] * self.means)
        np.add.at(weights, self.class_of, self.mixing_weights)
        return sums / np.maximum(weights, 1e-300)[:, None]
