from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.preparation.editing import drop_island, edited_slices, fill, interpolate
from napari_gmmseg.volumes import Geometry, LabelMap
from napari_gmmseg.volumes.edits import Edits

SHAPE = (9, 40, 40)
SPACING = (3.0, 1.0, 1.0)


def result(labels: np.ndarray) -> LabelMap:
    return LabelMap(labels.astype(np.uint8), Geometry.from_spacing(labels.shape[-3:], SPACING), numbered_classes(3))


def disc(radius: float, centre: tuple[float, float] = (20, 20)) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def painted(label_map: LabelMap, shapes: dict[int, np.ndarray], value: int = 2) -> Edits:
    edits = Edits.none(label_map)
    for z, shape in shapes.items():
        edits = edits.paint(np.stack([np.full(shape.sum(), z), *np.nonzero(shape)], axis=-1), value)
    return edits


def test_filling_takes_the_connected_region_and_no_other() -> None:
    labels = np.ones(SHAPE)
    labels[2:5, 5:10, 5:10] = labels[7, 5:10, 5:10] = 3
    start = result(labels)
    shown = fill(Edits.none(start), start, (3, 7, 7), 2).apply(start)
    assert (shown.labels[2:5, 5:10, 5:10] == 2).all()
    assert (shown.labels == 2).sum() == 75
    assert (shown.labels[7, 5:10, 5:10] == 3).all()


def test_filling_in_a_plane_stays_in_the_slice() -> None:
    start = result(np.ones(SHAPE))
    edits = fill(Edits.none(start), start, (3, 7, 7), 2, plane=0)
    assert edited_slices(edits, 2) == (3,)
    assert len(edits) == 1600


def test_filling_stops_at_what_was_edited() -> None:
    start = result(np.ones(SHAPE))
    wall = painted(start, {z: disc(12) & ~disc(10) for z in range(9)}, value=3)
    shown = fill(wall, start, (4, 20, 20), 2).apply(start)
    assert (shown.labels[:, disc(10)] == 2).all()
    assert (shown.labels[:, ~disc(12)] == 1).all()


def test_filling_stays_in_its_frame() -> None:
    start = result(np.ones((2, *SHAPE)))
    shown = fill(Edits.none(start), start, (1, 0, 0, 0), 2).apply(start)
    assert (shown.labels[0] == 1).all()
    assert (shown.labels[1] == 2).all()


def test_an_island_takes_the_class_around_it() -> None:
    labels = np.ones(SHAPE)
    labels[:, 10:30, 10:30] = 3
    labels[4, 18:20, 18:20] = 2
    start = result(labels)
    shown = drop_island(Edits.none(start), start, (4, 18, 19)).apply(start)
    assert (shown.labels[4, 18:20, 18:20] == 3).all()
    assert (shown.labels == 2).sum() == 0


def test_a_region_that_fills_the_image_is_no_island() -> None:
    start = result(np.ones(SHAPE))
    with pytest.raises(SettingsError, match="nothing surrounds it"):
        drop_island(Edits.none(start), start, (0, 0, 0))


def test_a_voxel_outside_the_image_cannot_be_filled() -> None:
    start = result(np.ones(SHAPE))
    with pytest.raises(GeometryError, match="leaves the grid"):
        fill(Edits.none(start), start, (9, 0, 0), 2)


def test_between_two_discs_the_radius_grows_evenly() -> None:
    start = result(np.ones(SHAPE))
    edits = interpolate(painted(start, {0: disc(4), 8: disc(12)}), start, 2)
    shown = edits.apply(start).labels
    for z in range(9):
        assert np.sqrt((shown[z] == 2).sum() / np.pi) == pytest.approx(4 + z, abs=0.5)


def test_a_moving_disc_is_met_half_way() -> None:
    start = result(np.ones(SHAPE))
    edits = interpolate(painted(start, {2: disc(8, (16, 20)), 6: disc(8, (24, 20))}), start, 2)
    middle = np.argwhere(edits.apply(start).labels[4] == 2)
    np.testing.assert_allclose(middle.mean(axis=0), (20, 20), atol=0.3)


def test_slices_outside_the_edited_ones_stay() -> None:
    start = result(np.ones(SHAPE))
    edits = interpolate(painted(start, {2: disc(8), 6: disc(8)}), start, 2)
    assert edited_slices(edits, 2) == (2, 3, 4, 5, 6)


def test_each_gap_has_its_own_ends() -> None:
    start = result(np.ones(SHAPE))
    edits = interpolate(painted(start, {0: disc(4), 4: disc(12), 8: disc(4)}), start, 2)
    sizes = [(edits.apply(start).labels[z] == 2).sum() for z in range(9)]
    assert sizes[:5] == sorted(sizes[:5])
    assert sizes[4:] == sorted(sizes[4:], reverse=True)


def test_what_was_edited_between_stays_as_it_is() -> None:
    start = result(np.ones(SHAPE))
    edits = painted(start, {2: disc(8), 6: disc(8)}).paint(np.array([[4, 20, 20]]), 3)
    assert interpolate(edits, start, 2).apply(start).labels[4, 20, 20] == 3


def test_what_is_too_large_between_goes_to_its_neighbour() -> None:
    labels = np.full(SHAPE, 3)
    labels[:, disc(14)] = 2
    labels[:, 1:4, 1:4] = 2
    start = result(labels)
    ring = disc(14) & ~disc(6)
    edits = painted(start, {2: ring, 6: ring}, value=3).paint(np.array([[2, 20, 20], [6, 20, 20]]), 2)
    shown = interpolate(edits, start, 2).apply(start).labels
    np.testing.assert_array_equal(shown[4, 5:, 5:] == 2, disc(6)[5:, 5:])
    assert (shown[4, ring] == 3).all()
    assert (shown[4, 1:4, 1:4] == 2).all()


def test_the_interpolated_shape_survives_a_rerun() -> None:
    start, rerun = result(np.where(disc(9), 2, 1)[None].repeat(9, axis=0)), result(np.ones(SHAPE))
    edits = interpolate(painted(start, {2: disc(8), 6: disc(8)}), start, 2)
    assert (edits.apply(rerun).labels[3:6, disc(7)] == 2).all()


def test_sagittal_slices_are_interpolated_too() -> None:
    start = result(np.ones((40, 9, 9)))
    square = np.stack(np.meshgrid(range(10, 30), range(2, 7), [1, 7], indexing="ij"), axis=-1).reshape(-1, 3)
    shown = interpolate(Edits.none(start).paint(square, 2), start, 2, axis=-1).apply(start).labels
    assert (shown[10:30, 2:7, 1:8] == 2).all()
    assert (shown == 2).sum() == 20 * 5 * 7


def test_one_edited_slice_is_not_enough() -> None:
    start = result(np.ones(SHAPE))
    with pytest.raises(SettingsError, match="edited: 2"):
        interpolate(painted(start, {2: disc(8)}), start, 2)


def test_the_background_around_everything_is_no_island() -> None:
    labels = np.zeros(SHAPE)
    labels[:, 10:30, 10:30] = 1
    labels[4, 20, 20] = 0
    start = result(labels)
    with pytest.raises(SettingsError, match="around everything"):
        drop_island(Edits.none(start), start, (4, 0, 0))
    assert drop_island(Edits.none(start), start, (4, 20, 20)).values.tolist() == [1]


def test_interpolation_in_a_frame_leaves_the_others_alone() -> None:
    one = result(np.ones(SHAPE))
    two = result(np.ones((2, *SHAPE)))
    wanted = interpolate(painted(one, {1: disc(4), 7: disc(8)}), one, 2).apply(one)
    edits = Edits.none(two)
    for z, shape in {1: disc(4), 7: disc(8)}.items():
        edits = edits.paint(np.stack([np.ones(shape.sum(), int), np.full(shape.sum(), z), *np.nonzero(shape)], -1), 2)
    shown = interpolate(edits, two, 2, frame=1).apply(two)
    np.testing.assert_array_equal(shown.labels[1], wanted.labels)
    assert (shown.labels[0] == 1).all()
