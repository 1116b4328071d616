"""A bias field as a noun: its values anywhere, and its way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.volumes import BiasField, Geometry, LabelMap, Mixture, Segmentation, Volume

SHAPE = (6, 20, 24)
GRID = (10, 30, 28)


@pytest.fixture
def field() -> BiasField:
    coefficients = np.random.default_rng(0).normal(0, 0.1, (2, 2, 3, 3))
    return BiasField(coefficients, (2, 5, 1), SHAPE, (12.0, 8.0))


def closed_form(field: BiasField, channel: int, place: tuple[int, int, int]) -> float:
    """The sum of cosines in one voxel of the box."""
    total = 0.0
    for j, a in np.ndenumerate(field.coefficients[channel]):
        spans = [(x - s + 0.5) / n for x, s, n in zip(place, field.start, field.size, strict=True)]
        total += a * np.prod([np.cos(np.pi * w * (p + 0.5) / 2) for w, p in zip(j, spans, strict=True)])
    return float(np.exp(total))


def test_values_are_those_of_the_equation(field: BiasField) -> None:
    whole = field.whole(GRID)
    assert whole.dtype == np.float32
    for place in ((2, 5, 1), (4, 11, 20), (7, 24, 24)):
        assert whole[1][place] == pytest.approx(closed_form(field, 1, place), rel=1e-5)


def test_a_part_has_the_values_of_the_whole(field: BiasField) -> None:
    part = (slice(3, 4), slice(0, 30), slice(2, 9))
    np.testing.assert_allclose(field.factors(part), field.whole(GRID)[(slice(None), *part)], rtol=1e-6)


def test_outside_its_box_it_goes_on_as_it_ends(field: BiasField) -> None:
    whole = field.whole(GRID)
    np.testing.assert_allclose(whole[:, 0], whole[:, 1])
    np.testing.assert_allclose(whole[:, :, :, 26], whole[:, :, :, 27])


def test_it_comes_back_from_json_with_the_same_bits(field: BiasField) -> None:
    back = BiasField.of(json.loads(json.dumps(field.told())))
    assert back.coefficients.tobytes() == field.coefficients.tobytes()
    assert (back.start, back.size, back.percent) == (field.start, field.size, field.percent)


def segmentation(field: BiasField | None, grid: tuple[int, ...]) -> Segmentation:
    shape = (grid[-3], grid[-2], grid[-1])
    return Segmentation(
        label_map=LabelMap(np.ones(grid, np.uint8), Geometry(shape, np.eye(4)), numbered_classes(2)),
        probabilities=np.ones((2, *grid), np.float32) / 2,
        mask=np.ones(grid, dtype=bool),
        mixture=Mixture(np.full(2, 0.5), np.zeros((2, 2)), np.stack([np.eye(2)] * 2), np.arange(2)),
        method="gmm",
        log_likelihood=0.0,
        steps=1,
        bias_field=field,
    )


@pytest.mark.parametrize("plane", [(), (4,), (slice(1, 3),), (slice(None), 7), (slice(None), slice(None), slice(2, 5))])
def test_a_mixture_sees_intensities_without_bias(field: BiasField, plane: tuple[int | slice, ...]) -> None:
    volume = Volume.from_array(np.random.default_rng(1).uniform(1, 2, (2, *GRID)).astype(np.float32), (1, 1, 1))
    seen = segmentation(field, GRID).intensities(volume, plane)
    expected = (volume.data / field.whole(GRID))[(slice(None), *plane)]
    np.testing.assert_allclose(seen, expected, rtol=1e-5)


def test_frames_are_seen_without_the_bias_that_they_share(field: BiasField) -> None:
    grid = (3, *GRID)
    data = np.random.default_rng(1).uniform(1, 2, (2, *grid)).astype(np.float32)
    volume = Volume(data=data, geometry=Geometry(GRID, np.eye(4)), channels=("", ""))
    seen = segmentation(field, grid).intensities(volume, (1, 4))
    np.testing.assert_allclose(seen, data[:, 1, 4] / field.whole(GRID)[:, 4], rtol=1e-5)


def test_without_a_field_it_sees_the_image() -> None:
    volume = Volume.from_array(np.random.default_rng(1).uniform(1, 2, (2, *GRID)).astype(np.float32), (1, 1, 1))
    np.testing.assert_array_equal(segmentation(None, GRID).intensities(volume, (4,)), volume.data[:, 4])
