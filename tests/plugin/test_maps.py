"""Probabilities, priors and uncertainty as layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.maps import map_layer, maps_of
from napari_gmmseg.plugin.metadata import entry_of
from napari_gmmseg.plugin.shown import display_of
from napari_gmmseg.volumes import BiasField, Geometry, LabelMap, Mixture, Segmentation

SHAPE = (2, 3, 4)


def segmentation(with_prior: bool) -> Segmentation:
    rng = np.random.default_rng(3)
    first = rng.uniform(0, 1, SHAPE).astype(np.float32)
    geometry = Geometry(SHAPE, np.diag([2.0, 1.0, 1.5, 1.0]))
    return Segmentation(
        label_map=LabelMap(np.where(first > 0.5, 1, 2).astype(np.uint8), geometry, numbered_classes(2)),
        probabilities=np.stack([first, 1 - first]),
        mask=np.ones(SHAPE, dtype=bool),
        mixture=Mixture(np.full(2, 0.5), np.zeros((2, 1)), np.ones((2, 1, 1)), np.arange(2)),
        method="deepsvg",
        log_likelihood=0.0,
        steps=1,
        prior=np.stack([first**2, 1 - first**2]) if with_prior else None,
    )


@pytest.mark.parametrize(
    ("with_prior", "labels"),
    [
        (False, ["probability C1", "probability C2", "uncertainty"]),
        (True, ["probability C1", "probability C2", "prior C1", "prior C2", "uncertainty"]),
    ],
)
def test_the_prior_is_a_map_where_a_network_gave_one(with_prior, labels):
    result = segmentation(with_prior)
    maps = {m.label: m for m in maps_of(result)}
    assert list(maps) == labels
    assert np.array_equal(maps["uncertainty"].array, result.uncertainty)
    if with_prior:
        assert np.array_equal(maps["prior C2"].array, result.prior[1])


def test_a_map_lies_hidden_over_its_image_and_knows_its_grid():
    result = segmentation(with_prior=False)
    grid = LayerGrid.plain(result.label_map.geometry)
    place = display_of(result.label_map.geometry)
    data, settings, kind = map_layer(maps_of(result)[0], result.label_map, grid, place, "brain")
    layer = Image(data, **settings)
    assert kind == "image"
    assert (layer.name, layer.visible) == ("brain probability C1", False)
    assert np.array_equal(layer.scale, place["scale"])
    assert entry_of(layer.metadata)["label_map"] is result.label_map


def test_the_bias_field_is_a_map_in_colours_of_its_own_range():
    coefficients = np.zeros((1, 1, 1, 2))
    coefficients[..., 1] = 0.2
    field = BiasField(coefficients, (0, 0, 0), SHAPE, (10.0,))
    result = replace(segmentation(with_prior=False), bias_field=field)
    shown = {m.label: m for m in maps_of(result)}["bias field"]
    np.testing.assert_array_equal(shown.array, field.whole(SHAPE)[0])
    grid, place = LayerGrid.plain(result.label_map.geometry), display_of(result.label_map.geometry)
    data, settings, _ = map_layer(shown, result.label_map, grid, place, "brain")
    layer = Image(data, **settings)
    assert layer.name == "brain bias field"
    assert layer.contrast_limits == [float(shown.array.min()), float(shown.array.max())]
