"""The viewer's layers as choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_gmmseg.config import PRESETS
from napari_gmmseg.config.preparation import MASK_WORDS
from napari_gmmseg.docks.segment.choices import Choices, ImageChoice, LayerChoice
from napari_gmmseg.docks.segment.defaults import (
    can_be_region,
    classes_for,
    expected_contrasts,
    is_image,
    is_mask,
    preselected,
    preset_for,
    region_for,
)
from napari_gmmseg.plugin.contrasts import contrast_of
from napari_gmmseg.plugin.metadata import axis4_is_open, volume_of


def offer(layers: Sequence[Any], choices: Choices, *, choose: bool) -> Choices:
    """Bring choices up to date with the viewer's layers.

    Parameters
    ----------
    layers : sequence of napari.layers.Layer
        Of the viewer, oldest first.
    choices : Choices
        As they were.
    choose : bool
        Whether the newest image is chosen, with preset and all; else what was chosen stays, as far as it is there.
    """
    images = [layer for layer in layers if is_image(layer)]
    before = {i.key: i for i in choices.images}
    chosen = preselected(images) if choose else [i for i in images if id(i) in before and before[id(i)].chosen]
    contrasts = {id(i): before[id(i)].contrast if id(i) in before else contrast_of(i) for i in images}
    offered = tuple(
        ImageChoice(id(i), str(i.name), chosen=i in chosen, contrast=contrasts[id(i)]) for i in reversed(images)
    )
    masks = tuple(LayerChoice(id(m), str(m.name)) for m in reversed(layers) if is_mask(m))
    regions = tuple(LayerChoice(id(r), str(r.name)) for r in reversed(layers) if can_be_region(r))
    updated = replace(choices, images=offered, masks=masks, regions=regions)
    if choose:
        # In the order of the viewer, which is that of the channels.
        preset = preset_for(chosen, [contrasts[id(i)] for i in chosen])
        updated = with_preset(replace(updated, mask="auto", axis4="", region=None), preset)
    return settle(layers, updated)


def with_preset(choices: Choices, preset: str) -> Choices:
    """Choose a preset: its number of classes, and its contrasts for channels that tell none.

    Parameters
    ----------
    choices : Choices
        As they were.
    preset : str
        Its name.
    """
    order = list(reversed(choices.images))
    chosen = [i for i in order if i.chosen]
    filled = dict(zip((i.key for i in chosen), expected_contrasts([i.contrast for i in chosen], preset), strict=True))
    images = tuple(replace(i, contrast=filled.get(i.key, i.contrast)) for i in choices.images)
    return replace(choices, images=images, preset=preset, n_classes=classes_for(preset, list(filled.values())))


def with_images(choices: Choices, images: Sequence[ImageChoice]) -> Choices:
    """Choose images or their contrasts; the number of classes follows what these can tell, unless it was set.

    Parameters
    ----------
    choices : Choices
        As they were.
    images : sequence of ImageChoice
        Newest first.
    """
    updated = replace(choices, images=tuple(images))
    if choices.n_classes != _expected(choices):
        return updated
    return replace(updated, n_classes=_expected(updated))


def _expected(choices: Choices) -> int:
    return classes_for(choices.preset, [image.contrast for image in choices.images if image.chosen])


def settle(layers: Sequence[Any], choices: Choices) -> Choices:
    """Let go of layers that are not there, and see which questions matter.

    Parameters
    ----------
    layers : sequence of napari.layers.Layer
        Of the viewer.
    choices : Choices
        As they were.
    """
    masks, regions = {m.key for m in choices.masks}, {r.key for r in choices.regions}
    mask = choices.mask if choices.mask in MASK_WORDS or choices.mask in masks else "auto"
    region = choices.region if choices.region in regions else None
    asks_region = PRESETS[choices.preset].needs_region
    if region is None and asks_region:
        found = region_for([layer for layer in layers if can_be_region(layer)])
        region = None if found is None else id(found)
    chosen = {i.key for i in choices.images if i.chosen}
    asks_axis4 = any(id(layer) in chosen and needs_axis4(layer) for layer in layers)
    return replace(choices, mask=mask, region=region, asks_region=asks_region, asks_axis4=asks_axis4)


def needs_axis4(layer: Any) -> bool:
    """Whether a layer has a fourth axis and nobody has said what it is.

    Parameters
    ----------
    layer : napari.layers.Image
        An image.
    """
    if layer.ndim != 4:
        return False
    return volume_of(layer.metadata) is None or axis4_is_open(layer.metadata)
