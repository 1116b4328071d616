"""napari's File, Open Sample: a brain, a generated heart and a generated glioma."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_gmmseg.io.sample import load_sample, load_sample_labels
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.shown import LayerData, display_of, image_layers, label_layer
from napari_gmmseg.volumes import ClassTable, TissueClass

_REGION = ClassTable((TissueClass(1, "Left ventricle", "LV", (0.9, 0.9, 0.9)),))


def brain() -> list[LayerData]:
    """Return the MNI152 brain at 2 mm, T1."""
    return image_layers(load_sample("brain"), "MNI152 brain T1", {"preset": "brain-t1"})


def heart() -> list[LayerData]:
    """Return a generated short-axis heart, bSSFP, LGE and T2, and its left ventricle to work in."""
    images = image_layers(load_sample("heart"), "Heart", {"preset": "cardiac"})
    return [*images, _left_ventricle()]


def glioma() -> list[LayerData]:
    """Return a generated brain with a glioma, T1, T1Gd, T2 and FLAIR."""
    return image_layers(load_sample("glioma"), "Glioma", {"preset": "glioma"})


def _left_ventricle() -> LayerData:
    truth = load_sample_labels("heart")
    region = replace(truth, labels=(truth.labels > 0).astype(np.uint8), classes=_REGION)
    place = display_of(truth.geometry)
    data, settings, kind = label_layer(
        region, LayerGrid.plain(truth.geometry), place, "Left ventricle", {"role": "region"}
    )
    return data, {**settings, "opacity": 0.25}, kind
