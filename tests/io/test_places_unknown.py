"""Where nobody has told which way up an image is, nothing pretends to know."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from tests.io.grid_making import labels_of

from napari_gmmseg import evaluate
from napari_gmmseg.errors import GeometryError
from napari_gmmseg.io import read_channels, read_labels, read_mask, write_labels
from napari_gmmseg.preparation import stack_channels


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture, unlike itself in any mirror."""
    values = np.arange(1, 36, dtype=np.uint8).reshape(5, 7)
    Image.fromarray(values).save(tmp_path / "slice.png")
    return tmp_path / "slice.png"


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    """A slice of the picture's size that tells where it lies."""
    nibabel.save(nibabel.Nifti1Image(np.ones((7, 5, 1), np.float32), np.diag([-1, -1, 3, 1])), tmp_path / "n.nii")
    return tmp_path / "n.nii"


def test_a_mask_without_place_is_refused_on_an_image_that_has_one(picture: Path, nifti: Path) -> None:
    (image,) = read_channels(nifti)
    for resample in (False, True):
        with pytest.raises(GeometryError, match=r"mask slice\.png and the image tells where"):
            read_mask(picture, image, resample)


def test_a_channel_without_place_is_refused_beside_one_that_has_one(picture: Path, nifti: Path) -> None:
    with pytest.raises(GeometryError, match=r"n\.nii and slice\.png tells where"):
        stack_channels(read_channels([nifti, picture]), contrasts=("t1", "t2"))


def test_a_picture_with_a_spacing_takes_masks_that_are_pictures(picture: Path) -> None:
    (image,) = read_channels(picture, spacing=(2.0, 2.0))
    assert not image.geometry.verified
    assert read_mask(picture, image).all()


@pytest.mark.parametrize("spacing", [None, (2.0, 3.0)])
def test_a_mask_of_a_picture_still_fits_it_as_nifti(
    picture: Path, tmp_path: Path, spacing: tuple[float, float] | None
) -> None:
    (image,) = read_channels(picture, spacing=spacing)
    path = write_labels(tmp_path / "m.nii.gz", labels_of(image))
    back = read_labels(path)
    assert (back.geometry.unit, back.geometry.verified) == (image.geometry.unit, image.geometry.verified)
    assert np.array_equal(read_mask(path, image), back.labels > 0)
    (entry, *_) = evaluate(path, picture).classes
    assert (entry.volume_ml is None) == (spacing is None)


def test_words_of_another_program_do_not_count(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4))
    image.header["descrip"] = b"converted; no voxel size"
    nibabel.save(image, tmp_path / "x.nii")
    (volume,) = read_channels(tmp_path / "x.nii")
    assert (volume.geometry.unit, volume.geometry.verified) == ("mm", True)
