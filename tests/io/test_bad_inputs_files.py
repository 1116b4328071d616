"""Bad files: one sentence and a hint each, never a traceback."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image
from tests.io.dicom_making import save_series
from tests.io.grid_making import save_nifti, world_affine, world_image

from napari_gmmseg.errors import GmmsegError, InputError
from napari_gmmseg.io import read_channels, read_labels


def _nifti(folder: Path, name: str = "good.nii.gz", **kwargs: object) -> Path:
    return save_nifti(folder / name, world_image(), world_affine(), **kwargs)  # type: ignore[arg-type]


def _with(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _patched(path: Path, offset: int, value: bytes) -> Path:
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(value)] = value
    return _with(path, bytes(raw))


def _saved(folder: Path, array: np.ndarray, name: str = "bad.nii") -> Path:
    nibabel.Nifti1Image(array, np.eye(4)).to_filename(folder / name)
    return folder / name


def _itk(path: Path, array: np.ndarray) -> Path:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))
    return path


def _lone_half(folder: Path, kept: str) -> Path:
    nibabel.Nifti1Pair(world_image(), world_affine()).to_filename(folder / "a.img")
    other = {".img": ".hdr", ".hdr": ".img"}[kept]
    (folder / f"a{other}").unlink()
    return folder / f"a{kept}"


def _picture(path: Path) -> Path:
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(path)
    return path


def _colour_dicom(folder: Path) -> Path:
    save_series(folder / "s", data=np.zeros((1, 7, 6), np.uint16), SamplesPerPixel=3)
    return folder / "s"


def _no_slices(folder: Path) -> Path:
    (path,) = save_series(folder / "s", data=np.zeros((1, 7, 6), np.uint16), Rows=None)
    return path


RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])

BAD: dict[str, Callable[[Path], Path]] = {
    "missing": lambda d: d / "nothing.nii.gz",
    "name too long": lambda d: d / ("a" * 400 + ".nii.gz"),
    "missing folder": lambda d: d / "no" / "nothing.nii.gz",
    "empty folder": lambda d: d,
    "folder of other files": lambda d: _with(d / "notes.txt", b"notes").parent,
    "folder of NIfTI": lambda d: _nifti(d).parent,
    "no bytes": lambda d: _with(d / "bad.nii.gz", b""),
    "no bytes after unpacking": lambda d: _with(d / "bad.nii.gz", gzip.compress(b"")),
    "text": lambda d: _with(d / "bad.nii.gz", b"this is no image at all\n" * 40),
    "packed text": lambda d: _with(d / "bad.nii.gz", gzip.compress(b"this is no image at all\n" * 40)),
    "text without suffix": lambda d: _with(d / "bad", b"notes"),
    "truncated gz": lambda d: _with(d / "bad.nii.gz", _nifti(d).read_bytes()[:-60]),
    "gz truncated in the header": lambda d: _with(d / "bad.nii.gz", _nifti(d).read_bytes()[:40]),
    "truncated voxels": lambda d: _with(d / "bad.nii", _nifti(d, "a.nii").read_bytes()[:-50]),
    "truncated header": lambda d: _with(d / "bad.nii", _nifti(d, "a.nii").read_bytes()[:200]),
    "damaged gz": lambda d: _patched(_nifti(d), 150, b"\xff" * 40),
    "packed under a plain suffix": lambda d: _nifti(d).rename(d / "bad.nii"),
    "plain under a packed suffix": lambda d: _nifti(d, "a.nii").rename(d / "bad.nii.gz"),
    "NIfTI called PNG": lambda d: _nifti(d, "a.nii").rename(d / "bad.png"),
    "NIfTI called text": lambda d: _nifti(d, "a.nii").rename(d / "bad.txt"),
    "PNG called NIfTI": lambda d: _picture(d / "a.png").rename(d / "bad.nii"),
    "PNG called TIFF in DICOM's suffix": lambda d: _picture(d / "a.png").rename(d / "bad.dcm"),
    "truncated PNG": lambda d: _with(d / "bad.png", _picture(d / "a.png").read_bytes()[:50]),
    "damaged TIFF": lambda d: _with(d / "bad.tif", b"II*\0" + b"\xff" * 60),
    "complex": lambda d: _saved(d, np.ones((3, 3, 3), dtype=np.complex64)),
    "complex MetaImage": lambda d: _itk(d / "bad.nrrd", np.ones((3, 3, 3), dtype=np.complex64)),
    "colours": lambda d: _saved(d, np.zeros((3, 3, 3), dtype=RGB)),
    "five axes": lambda d: _saved(d, np.zeros((3, 3, 3, 2, 2), dtype=np.float32)),
    "all NaN": lambda d: _saved(d, np.full((3, 3, 3), np.nan, dtype=np.float32)),
    "all infinite": lambda d: _saved(d, np.full((3, 3, 3), np.inf, dtype=np.float32)),
    "no voxels": lambda d: _patched(_nifti(d, "bad.nii"), 42, b"\0\0"),
    "negative size": lambda d: _patched(_nifti(d, "bad.nii"), 42, b"\xff\xff"),
    "unknown type": lambda d: _patched(_nifti(d, "bad.nii"), 70, b"\x39\x30"),
    "impossible size": lambda d: _patched(_nifti(d, "bad.nii"), 42, b"\xff\x7f\xff\x7f\xff\x7f"),
    "header without voxels": lambda d: _lone_half(d, ".hdr"),
    "voxels without header": lambda d: _lone_half(d, ".img"),
    "damaged NRRD": lambda d: _with(d / "bad.nrrd", b"NRRD0004\ntype: uchar\ndimension: nine\n\n"),
    "truncated MetaImage": lambda d: _with(d / "bad.mha", _itk(d / "a.mha", np.ones((9, 9, 9))).read_bytes()[:500]),
    "damaged MGH": lambda d: _with(d / "bad.mgz", gzip.compress(b"\0\0\0\x01" + b"\0" * 100)),
    "text called DICOM": lambda d: _with(d / "bad.dcm", b"this is no image at all\n" * 40),
    "DICOM without image": _no_slices,
    "DICOM in colour": _colour_dicom,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_in_one_sentence_with_a_hint(tmp_path: Path, name: str) -> None:
    path = BAD[name](tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(GmmsegError) as caught:
        read_channels(path)
    assert caught.value.exit_code in (2, 3)
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith((".", "..."))
    assert caught.value.hint.endswith(".")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _nifti(tmp_path)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="permission denied"):
        read_channels(path)


def test_a_slice_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = save_series(tmp_path / "s")
    opened = Path.open

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == paths[2]:
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=paths[2].name):
        read_channels(tmp_path / "s")


def test_an_unknown_meaning_of_the_fourth_axis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GmmsegError) as caught:
        read_channels(_nifti(tmp_path), axis4="space")  # type: ignore[arg-type]
    assert "time|channel" in caught.value.hint


def test_a_series_of_a_file_that_is_no_dicom_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GmmsegError, match="is not DICOM"):
        read_channels(_nifti(tmp_path), series="1")


@pytest.mark.parametrize("values", [[0.5, 1.0], [-1.0, 1.0], [0.0, 256.0], [0.0, np.nan]])
def test_labels_are_whole_numbers_of_one_byte(tmp_path: Path, values: list[float]) -> None:
    array = np.array(values, dtype=np.float32).reshape(2, 1, 1)
    with pytest.raises(InputError) as caught:
        read_labels(_saved(tmp_path, array))
    assert caught.value.hint
