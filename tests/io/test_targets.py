"""What cannot be written is told before any work is done, and nothing is written over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.io.grid_making import labels_of, save_nifti, world_affine, world_image

from napari_gmmseg.errors import OutputError
from napari_gmmseg.io import check_writable, read_channels, read_labels, write_labels
from napari_gmmseg.volumes import Volume


@pytest.fixture
def image(tmp_path: Path) -> Volume:
    """An image of a file."""
    return read_channels(save_nifti(tmp_path / "t1.nii.gz", world_image(), world_affine()))[0]


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.jpg", "m.dcm", "t1.nii.gz", "no/m.nii.gz", "m.IMG"])
def test_a_target_that_will_not_do_is_known_from_the_image_alone(tmp_path: Path, image: Volume, name: str) -> None:
    with pytest.raises(OutputError) as caught:
        check_writable(tmp_path / name, image)
    assert caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["t1.nii.gz"]


@pytest.mark.parametrize("name", ["p.mgz", "p.nrrd", "p.mha"])
def test_probabilities_of_a_time_series_have_more_axes_than_most_formats(tmp_path: Path, name: str) -> None:
    series = Volume.from_array(np.zeros((1, 2, 3, 4, 5)), (1.0, 1.0, 1.0))
    check_writable(tmp_path / name, series)
    with pytest.raises(OutputError, match="5 axes"):
        check_writable(tmp_path / name, series, n_maps=2)
    check_writable(tmp_path / "p.nii.gz", series, n_maps=2)


def test_a_png_holds_one_mask_and_no_map(tmp_path: Path) -> None:
    picture = Volume.from_array(np.zeros((4, 5)))
    check_writable(tmp_path / "m.png", picture)
    with pytest.raises(OutputError, match="one slice of label values"):
        check_writable(tmp_path / "u.png", picture, n_maps=1)


@pytest.mark.parametrize("name", ["M.NII.GZ", "M.MGZ", "M.NRRD"])
def test_a_suffix_in_capitals_is_the_same_format(tmp_path: Path, image: Volume, name: str) -> None:
    label_map = labels_of(image)
    path = write_labels(tmp_path / name, label_map)
    assert path.name == name
    assert np.array_equal(read_labels(path).labels, label_map.labels)
