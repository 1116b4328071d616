"""Pictures on disk."""

import numpy as np
import pytest
from PIL import Image

from napari_gmmseg.errors import OutputError, ResourceError
from napari_gmmseg.figures import save_picture

PICTURE = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)


def test_a_saved_picture_reads_back_the_same(tmp_path):
    path = save_picture(tmp_path / "a.png", PICTURE)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), PICTURE)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_missing_folder_is_told_with_a_hint(tmp_path):
    with pytest.raises(OutputError, match="cannot be written") as caught:
        save_picture(tmp_path / "nowhere" / "a.png", PICTURE)
    assert caught.value.hint


def test_a_write_that_fails_leaves_the_old_picture_and_no_other_file(tmp_path, monkeypatch):
    path = save_picture(tmp_path / "a.png", PICTURE)
    before = path.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(ResourceError, match="disk is full"):
        save_picture(path, 255 - PICTURE)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("array", [PICTURE.astype(float), PICTURE[..., 0], np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_refused(tmp_path, array):
    with pytest.raises(OutputError, match="no picture"):
        save_picture(tmp_path / "a.png", array)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(OutputError, match="PNG"):
        save_picture(tmp_path / "a.jpg", PICTURE)
