"""Pictures of labels on their image."""

from dataclasses import replace

import numpy as np
import pytest

from napari_gmmseg.config.presets import PRESETS, numbered_classes
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.figures import overlay_picture
from napari_gmmseg.figures.drawing import PAPER, edges, legend, painted, rgb, wrapped
from napari_gmmseg.figures.views import bounding_box, cut, grey_window, readable_planes, spread_slices
from napari_gmmseg.volumes import Geometry, LabelMap, Volume

SHAPE = (20, 24, 22)


def geometry(shape=SHAPE, spacing=(2.0, 2.0, 2.0), unit="mm"):
    return Geometry.from_spacing(shape, spacing, unit=unit)


def case(grid=None, labels=None):
    """A bright block at the patient's right, front and top; labels 1 everywhere in the middle."""
    grid = grid or geometry()
    image = np.zeros(grid.shape, dtype=np.float32)
    image[grid.shape[0] // 2 :, grid.shape[1] // 2 :, grid.shape[2] // 2 :] = 100
    if labels is None:
        labels = np.zeros(grid.shape, dtype=np.uint8)
        labels[:, 2:-2, 2:-2] = 1
    classes = PRESETS["brain-t1"].classes
    return Volume(data=image[np.newaxis], geometry=grid), LabelMap(labels=labels, geometry=grid, classes=classes)


def view(plane, convention, index=15):
    volume, label_map = case()
    return cut(
        volume.data[0],
        label_map.labels,
        volume.geometry,
        plane=plane,
        index=index,
        box=(slice(0, 20), slice(0, 24), slice(0, 22)),
        pixels_per_unit=1.0,
        window=(0, 100),
        convention=convention,
    )


@pytest.mark.parametrize(
    ("plane", "convention", "corner", "letters"),
    [
        ("axial", "radiological", "left", "RL"),
        ("axial", "neurological", "right", "LR"),
        ("coronal", "radiological", "left", "RL"),
        ("coronal", "neurological", "right", "LR"),
        ("sagittal", "radiological", "left", "AP"),
        ("sagittal", "neurological", "left", "AP"),
    ],
)
def test_front_and_top_are_up_and_right_lies_where_the_letters_say(plane, convention, corner, letters):
    shown = view(plane, convention)
    height, width = shown.image.shape
    corners = {"left": shown.image[3, 3], "right": shown.image[3, width - 4]}
    other = "right" if corner == "left" else "left"
    assert corners[corner] > 0.95
    assert corners[other] < 0.05
    assert shown.image[height - 4].max() < 0.05
    assert shown.left + shown.right == letters


def test_no_side_is_told_where_nobody_has_verified_it():
    volume, label_map = case(replace(geometry(), verified=False))
    shown = cut(
        volume.data[0],
        label_map.labels,
        volume.geometry,
        plane="axial",
        index=10,
        box=(slice(0, 20), slice(0, 24), slice(0, 22)),
        pixels_per_unit=1.0,
        window=(0, 100),
        convention="radiological",
    )
    assert (shown.left, shown.right) == ("", "")


def test_voxels_are_drawn_in_their_true_proportions():
    volume, label_map = case(geometry(spacing=(4.0, 2.0, 1.0)))
    shown = cut(
        volume.data[0],
        label_map.labels,
        volume.geometry,
        plane="coronal",
        index=3,
        box=(slice(0, 20), slice(0, 24), slice(0, 22)),
        pixels_per_unit=3.0,
        window=(0, 100),
        convention="radiological",
    )
    assert shown.image.shape == (20 * 4 * 3, 22 * 1 * 3)
    assert shown.labels.shape == shown.image.shape
    assert shown.place == "y 6 mm"


def test_enlarged_labels_hold_no_value_between_classes():
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[:, 5:12, 4:18], labels[:, 12:20, 4:18] = 1, 3
    volume, label_map = case(labels=labels)
    shown = cut(
        volume.data[0],
        label_map.labels,
        volume.geometry,
        plane="axial",
        index=4,
        box=bounding_box(labels, volume.geometry, 4.0),
        pixels_per_unit=4.3,
        window=(0, 100),
        convention="radiological",
    )
    assert set(np.unique(shown.labels)) == {0, 1, 3}
    assert (shown.labels == 1).sum() / (shown.labels == 3).sum() == pytest.approx(7 / 8, rel=0.05)


def test_thick_slices_and_single_slices_are_shown_in_their_own_plane_only():
    assert readable_planes(geometry()) == ("axial", "coronal", "sagittal")
    assert readable_planes(geometry(spacing=(8.0, 1.25, 1.25))) == ("axial",)
    assert readable_planes(geometry(spacing=(1.0, 6.0, 1.0))) == ("coronal",)
    assert readable_planes(geometry(shape=(20, 24, 1))) == ("sagittal",)


def test_the_box_holds_all_labels_and_stays_on_the_grid():
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[4:6, 10, 1:21] = 2
    assert bounding_box(labels, geometry(), 5.0) == (slice(1, 9), slice(7, 14), slice(0, 22))
    assert bounding_box(np.zeros_like(labels), geometry(), 5.0) == (slice(0, 20), slice(0, 24), slice(0, 22))


def test_slices_spread_over_the_labels():
    labels = np.zeros((40, 4, 4), dtype=np.uint8)
    labels[10:31] = 1
    chosen = spread_slices(labels, 0, 4)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 4
    assert min(chosen) > 10
    assert max(chosen) < 30
    assert spread_slices(labels[10:13], 0, 4) == [0, 1, 2]


def test_the_window_ignores_what_is_not_finite_and_never_collapses():
    image = np.full((2, 4, 4), np.nan, dtype=np.float32)
    assert grey_window(image, np.ones((2, 4, 4), dtype=np.uint8)) == (0.0, 1.0)
    image[:] = 7
    low, high = grey_window(image, np.ones((2, 4, 4), dtype=np.uint8))
    assert high > low


def test_fill_outline_and_background_have_their_colours():
    labels = np.zeros((20, 20), dtype=np.uint8)
    labels[5:15, 5:15] = 2
    classes = PRESETS["brain-t1"].classes
    grey = np.full((20, 20), 0.5, dtype=np.float32)
    picture = painted(grey, labels, classes, opacity=0.4, contour=1)
    colour = np.array(rgb(classes[1].colour))
    assert np.array_equal(picture[0, 0], [128, 128, 128])
    np.testing.assert_allclose(picture[10, 10], 0.6 * 127.5 + 0.4 * colour, atol=1)
    np.testing.assert_allclose(picture[5, 10], 0.1 * 127.5 + 0.9 * colour, atol=1)
    assert np.array_equal(painted(grey, labels, classes, opacity=0, contour=0)[10, 10], [128, 128, 128])


def test_outlines_lie_inside_the_labels_between_neighbours():
    labels = np.zeros((6, 8), dtype=np.uint8)
    labels[1:5, 1:4], labels[1:5, 4:7] = 1, 2
    line = edges(labels)
    assert not line[labels == 0].any()
    assert line[2, 3]
    assert line[2, 4]
    assert not line[2, 2]


def test_the_legend_wraps_rather_than_runs_out_of_the_picture():
    entries = [(f"A rather long class name {k}", (255, 0, 0)) for k in range(6)]
    one_line = legend(entries[:1], 400, 14)
    many = legend(entries, 400, 14)
    assert many.width == 400
    assert many.height >= 5 * one_line.height
    edge = np.array(many)[:, -8:]
    assert (edge == PAPER).all()


def test_captions_break_between_words():
    lines = wrapped("one two three four five six seven eight nine ten", 90, 14)
    assert len(lines) > 2
    assert " ".join(lines) == "one two three four five six seven eight nine ten"


def test_a_picture_shows_the_colours_of_present_classes_only():
    volume, label_map = case()
    picture = overlay_picture(volume, label_map, cell=80, title="Case", caption="Words.")
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    seen = {tuple(p) for p in picture.reshape(-1, 3).tolist()}
    assert rgb(label_map.classes[0].colour) in seen
    assert rgb(label_map.classes[1].colour) not in seen


def test_the_same_result_gives_the_same_picture():
    volume, label_map = case()
    assert np.array_equal(overlay_picture(volume, label_map, cell=60), overlay_picture(volume, label_map, cell=60))


def test_one_plane_comes_with_the_bare_image_above():
    volume, label_map = case(geometry(spacing=(8.0, 1.0, 1.0)))
    alone = overlay_picture(volume, label_map, cell=80, with_image=False)
    both = overlay_picture(volume, label_map, cell=80)
    assert both.shape[0] > alone.shape[0] + 50


def test_sides_without_a_voxel_size_are_not_claimed():
    grid = geometry(shape=(1, 24, 22), spacing=(1.0, 1.0, 1.0), unit="pixel")
    volume, label_map = case(grid)
    shown = cut(
        volume.data[0],
        label_map.labels,
        grid,
        plane="axial",
        index=0,
        box=(slice(0, 1), slice(0, 24), slice(0, 22)),
        pixels_per_unit=1.0,
        window=(0, 100),
        convention="radiological",
    )
    assert (shown.left, shown.right, shown.place) == ("", "", "")
    np.testing.assert_allclose(shown.image, volume.data[0, 0] / 100, atol=1e-5)
    assert overlay_picture(volume, label_map, cell=60).size > 0


def test_a_time_frame_is_shown_with_its_own_labels():
    grid = geometry(shape=(3, 16, 16))
    data = np.zeros((1, 2, 3, 16, 16), dtype=np.float32)
    data[:, 1, :, 4:12] = 5
    labels = np.zeros((2, 3, 16, 16), dtype=np.uint8)
    labels[0, :, :8], labels[1, :, 8:] = 1, 2
    volume = Volume(data=data, geometry=grid)
    label_map = LabelMap(labels=labels, geometry=grid, classes=numbered_classes(2))
    first, second = (overlay_picture(volume, label_map, frame=k, cell=60) for k in (0, 1))
    assert first.shape != second.shape or not np.array_equal(first, second)


def test_an_empty_mask_and_an_image_without_numbers_still_make_a_picture():
    volume, label_map = case(labels=np.zeros(SHAPE, dtype=np.uint8))
    hollow = Volume(data=np.full_like(volume.data, np.nan), geometry=volume.geometry)
    assert overlay_picture(hollow, label_map, cell=60).size > 0


def test_labels_of_another_grid_are_refused():
    volume, _ = case()
    _, other = case(geometry(spacing=(2.0, 2.0, 2.5)))
    with pytest.raises(GeometryError, match="the labels"):
        overlay_picture(volume, other)


@pytest.mark.parametrize(
    "settings", [{"channel": 1}, {"frame": 2}, {"n_slices": 0}, {"cell": 3}, {"opacity": 1.5}, {"margin": -1.0}]
)
def test_settings_that_make_no_picture_are_refused(settings):
    volume, label_map = case()
    with pytest.raises(SettingsError) as caught:
        overlay_picture(volume, label_map, **settings)
    assert caught.value.hint
