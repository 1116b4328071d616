"""What generated phantoms share: their parts, and how a scanner would have seen them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from scipy import ndimage

from napari_gmmseg.config.strict import STRICT
from napari_gmmseg.volumes import LabelMap, Volume, read_only

Array = NDArray[np.float32]
Spacing = tuple[float, float, float]


@plain_dataclass(frozen=True)
class Phantom:
    """A generated case with its truth.

    Parameters
    ----------
    volume : Volume
        The image, as a scanner would have seen it.
    truth : LabelMap
        The class that fills most of each voxel; 0 outside `mask`.
    mask : ndarray (Z, Y, X) bool
        The region to segment: the left ventricle, or the brain.
    attributes : mapping of str to str, int or float
        What is known of the patient besides the image; invented, from the seed.
    """

    volume: Volume
    truth: LabelMap
    mask: NDArray[np.bool_]
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", read_only(np.asarray(self.mask, dtype=bool)))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Acquisition:
    """How a scanner sees tissue: noise, receive field, texture and blur."""

    noise_percent: Annotated[
        float,
        Field(
            ge=0,
            le=50,
            title="Noise [%]",
            description="Standard deviation of each of the two Gaussian parts of the Rician noise, in percent of the "
            "brightest class mean of the channel.",
        ),
    ] = 4.0
    bias_percent: Annotated[
        float,
        Field(
            ge=0,
            lt=200,
            title="Bias [%]",
            description="Peak-to-peak range of the smooth field that multiplies the intensities, in percent.",
        ),
    ] = 20.0
    texture_percent: Annotated[
        float,
        Field(
            ge=0,
            le=50,
            title="Texture [%]",
            description="Standard deviation of the spatially correlated variation within a class, in percent of its "
            "mean.",
        ),
    ] = 3.0
    texture_mm: Annotated[
        float,
        Field(
            gt=0, le=50, title="Texture size [mm]", description="Standard deviation of the Gaussian that correlates it."
        ),
    ] = 3.0
    blur_mm: Annotated[
        float,
        Field(
            ge=0,
            le=20,
            title="Blur [mm]",
            description="Standard deviation of the point spread within the slice, beside the voxel's own size.",
        ),
    ] = 0.6


def smooth_field(shape: tuple[int, ...], spacing: Spacing, size_mm: float, rng: np.random.Generator) -> Array:
    """Draw a correlated Gaussian field of mean 0 and standard deviation 1.

    Parameters
    ----------
    shape : (Z, Y, X)
        Number of voxels.
    spacing : (dz, dy, dx)
        In mm.
    size_mm : float
        Standard deviation of the Gaussian that correlates white noise, in mm.
    rng : numpy Generator
        Source of the noise.

    Returns
    -------
    ndarray (Z, Y, X) float32
        In units of its standard deviation.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(white, [size_mm / step for step in spacing], mode="nearest")
    centred = smooth - smooth.mean(dtype=np.float64)
    spread = float(centred.std(dtype=np.float64))
    # A field far wider than the grid is constant up to rounding: then there is no variation to scale up.
    return (centred / spread if spread > 1e-6 else np.zeros(shape)).astype(np.float32)


def bias_field(mask: NDArray[np.bool_], percent: float, rng: np.random.Generator) -> Array:
    """Draw a smooth receive field: a random polynomial of second order.

    Parameters
    ----------
    mask : ndarray (Z, Y, X) bool
        Where the range of the field counts.
    percent : float
        Peak-to-peak range inside the mask, in percent; the field lies in 1 +- percent/200 there.
    rng : numpy Generator
        Source of the coefficients.

    Returns
    -------
    ndarray (Z, Y, X) float32
        Factor for intensities, nowhere below 0.1.
    """
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in mask.shape), indexing="ij")
    a = rng.uniform(-1, 1, size=9)
    polynomial = a[0] * x + a[1] * y + a[2] * z + 0.5 * (a[3] * x * y + a[4] * y * z + a[5] * x * z)
    polynomial += 0.7 * (a[6] * x**2 + a[7] * y**2 + a[8] * z**2)
    low, high = float(polynomial[mask].min()), float(polynomial[mask].max())
    scaled = 2 * (polynomial - low) / max(high - low, 1e-12) - 1
    return np.asarray(np.maximum(1 + scaled * percent / 200, 0.1), dtype=np.float32)


def rician(signal: Array, std: float, rng: np.random.Generator) -> Array:
    """Return the magnitude of a signal with complex Gaussian noise.

    In air, where the signal is 0, the result is Rayleigh-distributed with mean std * sqrt(pi / 2).

    Parameters
    ----------
    signal : ndarray, any shape, float32
        Noiseless magnitude, >= 0.
    std : float
        Standard deviation of the real and of the imaginary part, in the signal's unit.
    rng : numpy Generator
        Source of the noise.
    """
    real = signal + std * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = std * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)


def acquire(
    fractions: Array,
    means: NDArray[np.float64],
    mask: NDArray[np.bool_],
    *,
    spacing: Spacing,
    acquisition: Acquisition,
    rng: np.random.Generator,
) -> Array:
    """Return the image that a scanner would give of tissue fractions.

    Each channel is Rician(bias * (1 + texture) * sum_k f_k mu_k), with a bias field, a texture and a noise of its own.

    Parameters
    ----------
    fractions : ndarray (K, Z, Y, X) float32
        Share of each tissue in each voxel; what is missing to 1 is air.
    means : ndarray (C, K) float64
        Mean intensity of each tissue in each channel.
    mask : ndarray (Z, Y, X) bool
        Where the bias field's range counts.
    spacing : (dz, dy, dx)
        In mm.
    acquisition : Acquisition
        Noise, bias, texture and blur.
    rng : numpy Generator
        Source of everything random.

    Returns
    -------
    ndarray (C, Z, Y, X) float32
        Intensities.
    """
    shape = fractions.shape[1:]
    blur = [0.0, acquisition.blur_mm / spacing[1], acquisition.blur_mm / spacing[2]]
    channels = []
    for levels in means:
        signal = np.tensordot(levels.astype(np.float32), fractions, axes=1)
        texture = smooth_field(shape, spacing, acquisition.texture_mm, rng)
        signal *= 1 + texture * np.float32(acquisition.texture_percent / 100)
        signal = np.maximum(ndimage.gaussian_filter(signal, blur), 0)
        signal *= bias_field(mask, acquisition.bias_percent, rng)
        channels.append(rician(signal, acquisition.noise_percent / 100 * float(levels.max()), rng))
    return np.stack(channels)
