"""Damage anywhere in a file ends in a sentence, never in another library's exception, and in no noise beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
import tifffile
from nibabel.imageglobals import logger as nibabel_logger
from PIL import Image
from tests.io.dicom_making import save_series, voxels

from napari_gmmseg.errors import GmmsegError, InputError
from napari_gmmseg.io import read_channels

VALUES = np.random.default_rng(3).integers(1, 250, (6, 7, 8)).astype(np.int16)


def _nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VALUES, np.diag([2, 2, 2, 1])), path)


def _mgh(path: Path) -> None:
    nibabel.save(nibabel.MGHImage(VALUES, np.eye(4)), path)


def _itk(path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VALUES), str(path))


def _tiff(path: Path) -> None:
    tifffile.imwrite(path, VALUES.astype(np.uint8))


def _picture(path: Path) -> None:
    Image.fromarray(VALUES[0].astype(np.uint8)).save(path, compression="tiff_lzw")


def _dicom(path: Path) -> None:
    (made,) = save_series(path.parent / "made", data=voxels(1))
    made.rename(path)


WHOLE: dict[str, Callable[[Path], None]] = {
    "x.nii": _nifti,
    "x.mgh": _mgh,
    "x.nrrd": _itk,
    "x.tif": _tiff,
    "lzw.tif": _picture,
    "x.png": _picture,
    "x.dcm": _dicom,
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.filterwarnings("default::RuntimeWarning")
def test_damage_anywhere_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WHOLE[name](path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    read_channels(path)
    for n in range(60):
        damaged = bytearray(whole)
        if n % 3 == 0:
            del damaged[rng.integers(1, len(damaged)) :]
        else:
            for place in rng.integers(0, min(len(damaged), 900), 4):
                damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        with suppress(GmmsegError):
            read_channels(path, axis4="channel")


def test_repairs_of_a_header_are_not_logged_and_the_log_stays_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _nifti(tmp_path / "x.nii")
    content = bytearray((tmp_path / "x.nii").read_bytes())
    content[80:84] = np.float32(-2).tobytes()
    (tmp_path / "x.nii").write_bytes(content)
    before = (nibabel_logger.level, list(nibabel_logger.handlers))
    with caplog.at_level(logging.WARNING):
        read_channels(tmp_path / "x.nii")
    assert not caplog.records
    assert (nibabel_logger.level, list(nibabel_logger.handlers)) == before


def test_colour_pages_that_pillow_unpacks_are_a_stack_with_channels(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 255, (4, 20, 24, 3), dtype=np.uint8)
    first, *others = [Image.fromarray(page) for page in values]
    first.save(tmp_path / "c.tif", save_all=True, append_images=others, compression="tiff_lzw")
    (volume,) = read_channels(tmp_path / "c.tif", axis4="channel")
    assert np.array_equal(volume.data, np.moveaxis(values, -1, 0))


def test_a_picture_larger_than_any_slice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _picture(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8)
    with pytest.raises(InputError, match="exceeds limit"):
        read_channels(tmp_path / "x.png")


def test_pixels_of_several_sizes_make_no_volume(tmp_path: Path) -> None:
    save_series(tmp_path / "s", PixelSpacing={z: ["0.8", "1.1"] if z else ["0.9", "1.1"] for z in range(5)})
    with pytest.raises(InputError, match=r"several sizes in mm: 0\.8 x 1\.1, 0\.9 x 1\.1"):
        read_channels(tmp_path / "s")


def test_an_image_type_of_one_word_is_a_word(tmp_path: Path) -> None:
    for path in save_series(tmp_path / "derived", data=voxels()[::-1], uid="1.2.3.2", number=2):
        dataset = pydicom.dcmread(path)
        dataset.ImageType = "DERIVED"
        dataset.save_as(path)
    save_series(tmp_path / "original", number=1)
    (volume,) = read_channels(tmp_path)
    assert volume.source is not None
    assert volume.source.details["SeriesNumber"] == "1"
