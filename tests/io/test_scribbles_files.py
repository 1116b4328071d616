from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_gmmseg.config import PRESETS, numbered_classes
from napari_gmmseg.errors import GeometryError, InputError, OutputError, SettingsError
from napari_gmmseg.io.scribbles import read_scribbles, write_scribbles
from napari_gmmseg.volumes import IGNORED, UNLABELLED, Geometry, Scribbles, Stroke, Volume

SHAPE = (4, 9, 8)
GEOMETRY = Geometry.from_spacing(SHAPE, (2.0, 1.0, 1.5))


def image(geometry: Geometry = GEOMETRY) -> Volume:
    return Volume(np.random.default_rng(0).random((1, *geometry.shape), dtype=np.float32), geometry)


def painted() -> Scribbles:
    classes = PRESETS["brain-t1"].classes
    assert classes is not None
    strokes = (
        Stroke(1, np.array([[0, 1, 1], [0, 1, 2]]), id=3, weight=2.0, time=1.5e9),
        Stroke(3, np.array([[2, 5, 5], [2, 6, 6]]), id=4),
        Stroke(UNLABELLED, np.array([[0, 1, 2]]), id=5),
        Stroke(IGNORED, np.array([[3, 0, 0]]), id=9),
    )
    return Scribbles(SHAPE, GEOMETRY, classes, strokes, background=1)


def test_json_brings_back_every_stroke_with_id_weight_and_time(tmp_path: Path) -> None:
    found = read_scribbles(write_scribbles(tmp_path / "s.json", painted()), image())
    assert found.background == 1
    assert found.classes == painted().classes
    for got, wanted in zip(found.strokes, painted().strokes, strict=True):
        assert (got.id, got.value, got.weight, got.time) == (wanted.id, wanted.value, wanted.weight, wanted.time)
        np.testing.assert_array_equal(got.voxels, wanted.voxels)


def test_nifti_brings_back_every_label_and_the_names(tmp_path: Path) -> None:
    found = read_scribbles(write_scribbles(tmp_path / "s.nii.gz", painted()), image(), background=3)
    np.testing.assert_array_equal(found.labels(), painted().labels())
    assert [(c.value, c.name, c.role) for c in found.classes] == [(c.value, c.name, c.role) for c in painted().classes]
    assert found.background == 3


def test_a_background_that_is_told_goes_before_that_of_the_file(tmp_path: Path) -> None:
    assert read_scribbles(write_scribbles(tmp_path / "s.json", painted()), image(), background=3).background == 3


@pytest.mark.parametrize("name", ["s.json", "s.nii.gz"])
def test_another_grid_is_refused(tmp_path: Path, name: str) -> None:
    path = write_scribbles(tmp_path / name, painted())
    with pytest.raises(GeometryError, match="another grid"):
        read_scribbles(path, image(Geometry.from_spacing(SHAPE, (1.0, 1.0, 1.0))))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other", "version": 1}'])
def test_json_that_holds_no_scribbles_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(InputError, match="holds no scribbles"):
        read_scribbles(tmp_path / "s.json", image())


def test_a_stroke_that_leaves_the_grid_is_refused(tmp_path: Path) -> None:
    path = write_scribbles(tmp_path / "s.json", painted())
    told = json.loads(path.read_text())
    told["strokes"][0]["voxels"][0] = [99, 0, 0]
    path.write_text(json.dumps(told))
    with pytest.raises(GeometryError, match="leaves the grid"):
        read_scribbles(path, image())


@pytest.mark.parametrize(
    "change",
    [
        {"value": float("inf")},
        {"value": 1.7},
        {"id": float("inf")},
        {"weight": float("inf")},
        {"voxels": [[1e30, 0, 0]]},
        {"voxels": [[0, 1.9, 0]]},
    ],
    ids=str,
)
def test_numbers_that_no_stroke_has_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = write_scribbles(tmp_path / "s.json", painted())
    told = json.loads(path.read_text())
    told["strokes"][0].update(change)
    path.write_text(json.dumps(told))
    with pytest.raises(InputError, match="holds no scribbles"):
        read_scribbles(path, image())


def test_a_class_without_a_colour_is_refused(tmp_path: Path) -> None:
    path = write_scribbles(tmp_path / "s.json", painted())
    told = json.loads(path.read_text())
    told["classes"][0]["colour"] = []
    path.write_text(json.dumps(told))
    with pytest.raises(InputError, match="holds no scribbles"):
        read_scribbles(path, image())


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_strokes_can_be_read_by_whoever_may_read_masks(tmp_path: Path) -> None:
    modes = {write_scribbles(tmp_path / name, painted()).stat().st_mode for name in ("s.json", "s.nii.gz")}
    assert len(modes) == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read_scribbles(tmp_path / "none.json", image())


def test_a_background_that_is_no_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="to be background"):
        read_scribbles(write_scribbles(tmp_path / "s.nii.gz", painted()), image(), background=7)


def test_nothing_is_left_where_a_file_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_scribbles(tmp_path / "no folder" / "s.json", painted())
    (tmp_path / "s.json").mkdir()
    with pytest.raises(OutputError):
        write_scribbles(tmp_path / "s.json", painted())
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


def test_pieces_that_touch_at_a_corner_are_one_stroke() -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = 2
    labels[3, 8, 7] = 2
    found = Scribbles.from_labels(labels, GEOMETRY, numbered_classes(2))
    assert [len(stroke.voxels) for stroke in found.strokes] == [2, 1]
    np.testing.assert_array_equal(found.labels(), labels)
