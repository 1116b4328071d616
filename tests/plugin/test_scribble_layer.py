"""The layer of strokes: what is painted or undone in it is told, and it shows what the session has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.plugin.bound_labels import positions_of, voxels_of
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.scribble_layer import ScribbleLayer, find_scribble_layer
from napari_gmmseg.volumes import IGNORED, UNLABELLED, Geometry, Scribbles, SourceGrid, Stroke

SHAPE = (4, 8, 10)


class Bound:
    """A layer bound to strokes that a test keeps, as a session would."""

    def __init__(self) -> None:
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(np.zeros(SHAPE), scale=(2.0, 0.5, 0.5))
        geometry = Geometry.from_spacing(SHAPE, (2.0, 0.5, 0.5))
        self.scribbles = Scribbles(SHAPE, geometry, numbered_classes(2))
        self.told: list[Stroke] = []
        self.taken_back = 0
        self.bound = ScribbleLayer(
            self.viewer, self.image, LayerGrid.plain(geometry), self.scribbles, self.paint, self.take_back
        )
        self.layer = self.bound.layer

    def paint(self, strokes) -> None:
        self.told.extend(strokes)
        self.scribbles = self.scribbles.with_strokes(strokes)
        self.bound.show(self.scribbles)

    def take_back(self) -> None:
        self.taken_back += 1
        self.scribbles = replace(self.scribbles, strokes=self.scribbles.strokes[:-1])
        self.bound.show(self.scribbles)

    def set_voxels(self, value: int, n: int = 3) -> None:
        self.layer.data_setitem((np.full(n, 1), np.full(n, 2), np.arange(n)), value)
        self.bound.poll()


@pytest.fixture
def bound() -> Bound:
    return Bound()


def test_voxels_that_are_set_become_a_stroke_with_its_time(bound):
    bound.set_voxels(2)
    (stroke,) = bound.told
    assert stroke.value == 2
    assert stroke.voxels.tolist() == [[1, 2, 0], [1, 2, 1], [1, 2, 2]]
    assert stroke.time > 0


def test_a_brush_becomes_one_stroke_when_it_is_lifted(bound):
    with bound.layer.block_history():
        for x in (3, 4, 5):
            bound.layer.paint((1, 4, x), 1)
        assert bound.told == []
    (stroke,) = bound.told
    assert stroke.value == 1
    assert (stroke.voxels[:, 0] == 1).all()


def test_napari_s_own_undo_takes_the_stroke_back(bound):
    bound.set_voxels(1)
    bound.set_voxels(2, n=2)
    bound.layer.undo()
    bound.bound.poll()
    assert bound.taken_back == 1
    assert bound.scribbles.counts() == {1: 3, 2: 0}


def test_napari_s_own_redo_paints_again(bound):
    bound.set_voxels(1)
    bound.layer.undo()
    bound.bound.poll()
    bound.layer.redo()
    bound.bound.poll()
    assert bound.scribbles.counts() == {1: 3, 2: 0}
    assert np.array_equal(bound.layer.data, bound.scribbles.labels())


def test_erasing_is_a_stroke_without_a_label(bound):
    bound.set_voxels(1)
    bound.set_voxels(UNLABELLED, n=1)
    assert bound.told[-1].value == UNLABELLED
    assert bound.scribbles.counts()[1] == 2


def test_other_data_put_into_the_layer_are_read_as_the_truth(bound):
    data = np.zeros(SHAPE, dtype=np.uint8)
    data[0, 0, :2], data[3, 7, 9] = 1, IGNORED
    bound.layer.data = data
    bound.bound.poll()
    assert np.array_equal(bound.scribbles.labels(), data)


def test_turning_to_another_slice_tells_nothing(bound):
    bound.viewer.dims.set_current_step(0, 3)
    bound.bound.poll()
    assert bound.told == []


def test_what_the_session_takes_away_leaves_the_layer_without_being_told(bound):
    bound.set_voxels(1)
    bound.bound.show(replace(bound.scribbles, strokes=()))
    bound.bound.poll()
    assert not bound.layer.data.any()
    assert len(bound.told) == 1
    assert bound.taken_back == 0


def test_the_brush_has_its_size_in_mm(bound):
    bound.bound.set_brush(3.0, ball=False)
    assert bound.layer.brush_size == 6
    assert bound.layer.n_edit_dimensions == 2
    bound.bound.set_brush(3.0, ball=True)
    assert bound.layer.n_edit_dimensions == 3


def test_choosing_a_class_paints_with_it_and_choosing_nothing_erases(bound):
    bound.bound.choose(2)
    assert (bound.layer.selected_label, str(bound.layer.mode)) == (2, "paint")
    assert bound.viewer.layers.selection.active is bound.layer
    bound.bound.choose(UNLABELLED)
    assert str(bound.layer.mode) == "erase"


def test_the_layer_is_found_by_its_metadata_whatever_it_is_called(bound):
    bound.layer.name = "my strokes"
    assert find_scribble_layer(bound.viewer.layers, bound.image) is bound.layer


def test_a_layer_that_is_there_is_bound_again_with_its_strokes(bound):
    bound.set_voxels(2)
    bound.bound.release()
    told: list[Stroke] = []
    empty = replace(bound.scribbles, strokes=())
    geometry = bound.scribbles.geometry
    again = ScribbleLayer(bound.viewer, bound.image, LayerGrid.plain(geometry), empty, told.extend, lambda: None)
    again.poll()
    assert again.layer is bound.layer
    assert [s.value for s in told] == [2]


def test_the_layer_says_names_under_the_pointer_and_lies_over_the_image(bound):
    assert list(bound.layer.features["class"]) == ["Unlabelled", "Class 1", "Class 2", "Ignored"]
    assert np.array_equal(bound.layer.scale, bound.image.scale)


def test_voxels_find_their_place_in_a_turned_volume():
    source = SourceGrid((5, 6, 7), np.eye(4), (2, 0, 1), (True, False, True), "layer")
    grid = LayerGrid(source)
    array = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    positions = np.argwhere(array % 17 == 0)
    found = voxels_of(positions, grid)
    assert np.array_equal(grid.from_layer(array)[tuple(found.T)], array[tuple(positions.T)])
    assert np.array_equal(positions_of(found, grid), positions)
