from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gmmseg.config import find_preset, numbered_classes
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.quality import gain_map
from napari_gmmseg.quality.next_spot import next_spots
from napari_gmmseg.volumes import IGNORED, ClassTable, Geometry, Scribbles, Stroke

SHAPE = (1, 100, 120)
BRAIN = find_preset("brain-t1").classes
assert BRAIN is not None


def certain(shape: tuple[int, ...] = SHAPE, k: int = 3) -> np.ndarray:
    """Class 0 everywhere, and sure of it."""
    p = np.zeros((k, *shape), dtype=np.float32)
    p[0] = 1
    return p


def doubtful(p: np.ndarray, *where: slice, of: tuple[int, int] = (0, 1), lead: float = 0.0) -> np.ndarray:
    p = p.copy()
    p[(slice(None), *where)] = 0
    p[(of[0], *where)], p[(of[1], *where)] = (1 + lead) / 2, (1 - lead) / 2
    return p


def strokes(
    *at: tuple[int, int], shape: tuple[int, ...] = SHAPE, classes: ClassTable = BRAIN, unit: str = "mm", step: float = 1
) -> Scribbles:
    geometry = Geometry.from_spacing(shape[-3:], (step, step, step), unit)  # type: ignore[arg-type]
    made = [Stroke(1 + n % len(classes), np.array([[0] * (len(shape) - 2) + list(p)])) for n, p in enumerate(at)]
    return Scribbles(shape, geometry, classes).with_strokes(made)


CORNERS = strokes((0, 0), (0, 119), (99, 0))


def spot(p: np.ndarray, scribbles: Scribbles = CORNERS, n: int = 1):
    return next_spots(p, np.ones(p.shape[1:], dtype=bool), scribbles, scribbles.geometry, n)


def test_the_spot_lies_in_the_doubtful_region() -> None:
    found = spot(doubtful(certain(), slice(0, 1), slice(40, 50), slice(60, 70))).spots[0]
    assert found.position[0] == 0
    assert 40 <= found.position[1] < 50
    assert 60 <= found.position[2] < 70


def test_of_two_regions_the_larger_comes_first() -> None:
    p = doubtful(certain(), slice(0, 1), slice(20, 24), slice(60, 64))
    p = doubtful(p, slice(0, 1), slice(70, 80), slice(60, 70))
    first, second = spot(p, n=2).spots
    assert first.position[1] >= 70
    assert second.position[1] < 24
    assert first.gain > second.gain
    assert first.size > second.size


def test_of_two_alike_regions_the_one_farther_from_strokes_comes_first() -> None:
    p = doubtful(certain(), slice(0, 1), slice(10, 16), slice(10, 16))
    p = doubtful(p, slice(0, 1), slice(50, 56), slice(60, 66))
    assert spot(p).spots[0].position[1] >= 50


def test_of_two_alike_regions_the_less_certain_comes_first() -> None:
    p = doubtful(certain(), slice(0, 1), slice(40, 46), slice(40, 46), lead=0.8)
    p = doubtful(p, slice(0, 1), slice(40, 46), slice(80, 86), lead=0.2)
    assert spot(p).spots[0].position[2] >= 80


def test_a_sliver_along_a_border_is_no_spot_however_long() -> None:
    p = doubtful(certain(), slice(0, 1), slice(10, 90), slice(60, 61))
    advice = spot(p)
    assert advice.spots == ()
    assert advice.finding is not None
    assert advice.finding.code == "no-spot-worth-a-stroke"
    assert spot(doubtful(p, slice(0, 1), slice(20, 25), slice(100, 105))).spots[0].position[2] >= 100


def test_it_says_which_classes_how_much_and_how_far() -> None:
    found = spot(doubtful(certain(), slice(0, 1), slice(40, 50), slice(60, 70), of=(2, 1), lead=0.1)).spots[0]
    assert found.why == f"White matter or grey matter? 0.1 ml, {found.distance:.0f} mm from the nearest stroke"
    assert found.values == (3, 2)
    assert (found.size, found.unit) == (pytest.approx(0.1), "ml")
    assert (
        spot(doubtful(certain(), slice(0, 1), slice(40, 50), slice(60, 70)))
        .spots[0]
        .why.startswith("Cerebrospinal fluid or grey matter? ")
    )


def test_without_spacing_it_counts_voxels() -> None:
    pixels = strokes((0, 0), (0, 119), (99, 0), unit="pixel")
    found = spot(doubtful(certain(), slice(0, 1), slice(40, 50), slice(60, 70)), pixels).spots[0]
    assert (found.size, found.unit) == (100, "voxels")
    assert "100 voxels" in found.why
    assert "ml" not in found.why
    assert "mm" not in found.why


def test_where_all_is_sure_no_stroke_is_advised() -> None:
    advice = spot(certain())
    assert advice.spots == ()
    assert advice.finding is not None
    assert "No further stroke is advised" in advice.finding.message


def test_strokes_and_what_is_left_out_are_no_spots() -> None:
    y, x = np.mgrid[40:50, 60:70].reshape(2, -1)
    voxels = np.stack([np.zeros_like(y), y, x], axis=-1)
    p = doubtful(certain(), slice(0, 1), slice(40, 50), slice(60, 70))
    for value in (2, IGNORED):
        assert spot(p, CORNERS.with_strokes([Stroke(value, voxels)])).spots == ()


def test_outside_the_mask_there_is_no_spot() -> None:
    p = doubtful(certain(), slice(0, 1), slice(40, 50), slice(60, 70))
    mask = np.ones(SHAPE, dtype=bool)
    mask[:, 35:55] = False
    assert next_spots(p, mask, CORNERS, CORNERS.geometry).spots == ()


def test_the_gain_is_a_fraction_of_the_mask() -> None:
    p = doubtful(certain(), slice(0, 1), slice(40, 50), slice(60, 70))
    found = spot(p).spots[0]
    assert 0 < found.gain < 100 / 12000
    half = np.ones(SHAPE, dtype=bool)
    half[:, 52:] = False
    assert next_spots(p, half, CORNERS, CORNERS.geometry).spots[0].gain == pytest.approx(
        found.gain * 100 / 52, rel=0.01
    )


def test_a_coarsened_volume_has_its_spot_in_the_same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (40, 60, 50)
    p = doubtful(certain(shape), slice(10, 20), slice(30, 40), slice(20, 30))
    scribbles = strokes((0, 0), (1, 0), (2, 0), shape=shape)
    fine = spot(p, scribbles).spots[0]
    monkeypatch.setattr(gain_map, "MOST_VOXELS", 5000)
    coarse = spot(p, scribbles).spots[0]
    assert all(a <= i < a + 10 for i, a in zip(coarse.position, (10, 30, 20), strict=True))
    assert coarse.gain == pytest.approx(fine.gain, rel=0.15)
    assert coarse.size == fine.size


def test_spots_of_all_frames_are_compared() -> None:
    shape = (2, 1, 100, 120)
    p = doubtful(certain(shape), slice(0, 1), slice(0, 1), slice(20, 24), slice(60, 64))
    p = doubtful(p, slice(1, 2), slice(0, 1), slice(70, 80), slice(60, 70))
    found = spot(p, strokes((0, 0), (0, 119), (99, 0), shape=shape), n=2).spots
    assert [s.position[0] for s in found] == [1, 0]


def test_classes_without_a_stroke_may_be_left_out_of_the_probabilities() -> None:
    two = replace(CORNERS, strokes=(CORNERS.strokes[0], CORNERS.strokes[2]))
    found = spot(doubtful(certain(k=2), slice(0, 1), slice(40, 50), slice(60, 70)), two).spots[0]
    assert set(found.values) == {1, 3}


def test_probabilities_of_other_classes_are_refused() -> None:
    with pytest.raises(SettingsError, match="4 classes"):
        spot(certain(k=4))


def test_probabilities_of_another_grid_are_refused() -> None:
    with pytest.raises(GeometryError, match="grids"):
        next_spots(certain(), np.ones((1, 5, 5), dtype=bool), CORNERS, CORNERS.geometry)


def test_one_class_leaves_nothing_to_ask() -> None:
    single = strokes((0, 0), classes=numbered_classes(1))
    assert spot(certain(k=1), single).spots == ()
