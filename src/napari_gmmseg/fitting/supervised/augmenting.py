"""What is changed at random in the images that a network learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.config.training import AugmentationSettings
from napari_gmmseg.fitting.supervised.slices import Batch


def augmented(batch: Batch, settings: AugmentationSettings, n_looks: int, rng: np.random.Generator) -> Batch:
    """Return a batch with channels blanked, and brightness, contrast and saturation changed, each image by itself.

    Wan et al. (2023), section 4.1, name the four and give no numbers. Intensities are standardised, so brightness adds
    b, contrast multiplies by 1 + c, and saturation multiplies what each channel differs from their mean by 1 + s, with
    b, c and s drawn evenly from +- their largest. A blanked channel is 0, its mean. All the slices that the network
    sees at once are changed alike.

    Parameters
    ----------
    batch : Batch
        As it was cut.
    settings : AugmentationSettings
        How much.
    n_looks : int
        Slices that the network sees at once.
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    Batch
        A new one.
    """
    n, planes = batch.images.shape[:2]
    channels = planes // n_looks
    images = batch.images.view(n, n_looks, channels, *batch.images.shape[2:])
    brightness, contrast, saturation = (
        _drawn(rng, n, largest) for largest in (settings.brightness, settings.contrast, settings.saturation)
    )
    grey = images.mean(2, keepdim=True)
    images = (grey + (images - grey) * (1 + saturation)) * (1 + contrast) + brightness
    dropped = rng.random(n) < settings.channel_drop
    chosen = rng.integers(channels, size=n)
    if channels > 1 and dropped.any():
        kept = torch.ones(n, 1, channels, 1, 1)
        kept[np.flatnonzero(dropped), 0, chosen[dropped]] = 0.0
        images = images * kept
    mirrored = rng.random(n) < settings.flip
    changed = replace(batch, images=images.flatten(1, 2))
    if not mirrored.any():
        return changed
    where = torch.from_numpy(mirrored)
    maps = ("images", "targets", "foreground", "plain")
    return replace(changed, **{name: _mirrored(getattr(changed, name), where) for name in maps})


def _drawn(rng: np.random.Generator, n: int, largest: float) -> Tensor:
    return torch.from_numpy(rng.uniform(-1, 1, n) * largest).float().view(n, 1, 1, 1, 1)


def _mirrored(maps: Tensor, where: Tensor) -> Tensor:
    return torch.where(where.view(-1, *(1,) * (maps.ndim - 1)), maps.flip(-1), maps)
