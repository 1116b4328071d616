"""A file is written whole and proven, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.io.grid_making import labels_of, save_nifti, world_affine, world_image

from napari_gmmseg.errors import GmmsegError, OutputError, ResourceError
from napari_gmmseg.io import nifti, read_channels, write_labels, write_map, writing
from napari_gmmseg.volumes import LabelMap


@pytest.fixture
def label_map(tmp_path: Path) -> LabelMap:
    """A mask of a file."""
    (volume,) = read_channels(save_nifti(tmp_path / "t1.nii.gz", world_image(), world_affine()))
    return labels_of(volume)


def _names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*"))


TARGETS: dict[str, Callable[[Path], Path]] = {
    "no suffix": lambda d: d / "mask",
    "unknown suffix": lambda d: d / "mask.txt",
    "DICOM": lambda d: d / "mask.dcm",
    "JPEG": lambda d: d / "mask.jpg",
    "no folder": lambda d: d / "no" / "mask.nii.gz",
    "file for a folder": lambda d: d / "t1.nii.gz" / "mask.nii.gz",
    "the image itself": lambda d: d / "t1.nii.gz",
    "the image by another way": lambda d: d / ".." / d.name / "t1.nii.gz",
    "picture of a volume": lambda d: d / "mask.png",
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_bad_target_is_refused_and_nothing_is_left(tmp_path: Path, label_map: LabelMap, name: str) -> None:
    before, content = _names(tmp_path), (tmp_path / "t1.nii.gz").read_bytes()
    with pytest.raises(OutputError) as caught:
        write_labels(TARGETS[name](tmp_path), label_map)
    assert caught.value.hint
    assert _names(tmp_path) == before
    assert (tmp_path / "t1.nii.gz").read_bytes() == content


def test_a_folder_is_no_target(tmp_path: Path, label_map: LabelMap) -> None:
    (tmp_path / "m.nii").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_labels(tmp_path / "m.nii", label_map)


@pytest.mark.parametrize(
    "failure",
    [
        (errno.ENOSPC, ResourceError),
        (errno.EDQUOT, ResourceError),
        (errno.EACCES, OutputError),
        (errno.EROFS, OutputError),
        (errno.EIO, OutputError),
    ],
)
@pytest.mark.parametrize("suffix", [".nii.gz", ".mgz", ".nrrd"])
def test_a_failing_disk_leaves_the_old_file_alone(
    tmp_path: Path,
    label_map: LabelMap,
    monkeypatch: pytest.MonkeyPatch,
    failure: tuple[int, type[GmmsegError]],
    suffix: str,
) -> None:
    code, kind = failure
    target = tmp_path / f"mask{suffix}"
    target.write_bytes(b"an older mask")
    before = _names(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind) as caught:
        write_labels(target, label_map)
    assert caught.value.exit_code == (3 if kind is ResourceError else 2)
    assert caught.value.hint
    assert _names(tmp_path) == before
    assert target.read_bytes() == b"an older mask"


def test_a_folder_that_may_not_be_written_to_is_told(
    tmp_path: Path, label_map: LabelMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(writing.tempfile, "mkdtemp", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        write_labels(tmp_path / "m.nii", label_map)


def test_a_library_that_stops_short_on_a_full_disk_is_a_matter_of_resources(
    tmp_path: Path, label_map: LabelMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 0

    def cut(path: Path, *args: Any) -> None:
        path.write_bytes(b"NRRD0004\n")

    monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: Full)
    monkeypatch.setattr(writing.simpleitk, "save_itk", cut)
    with pytest.raises(ResourceError, match="disk is full"):
        write_labels(tmp_path / "m.nrrd", label_map)
    assert _names(tmp_path) == ["t1.nii.gz"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mgz", ".nrrd", ".mha", ".img"])
def test_a_truly_full_disk_is_told_and_left_as_it_was(tmp_path: Path, suffix: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted here by nobody but root")
    try:
        array = np.random.default_rng(0).integers(0, 4, (64, 64, 64)).astype(np.float32)
        (volume,) = read_channels(save_nifti(tmp_path / "t1.nii", array, world_affine()))
        labels = replace(labels_of(volume), labels=volume.data[0].astype(np.uint8))
        with pytest.raises(ResourceError, match="disk is full"):
            write_labels(disk / f"m{suffix}", labels)
        assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("what", ["voxels", "affine"])
def test_what_reads_back_differently_is_not_kept(
    tmp_path: Path, label_map: LabelMap, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    true = nifti.load_back

    def wrong(path: Path) -> Any:
        array, affine = true(path)
        return (1 - array, affine) if what == "voxels" else (array, affine + 1e-3)

    monkeypatch.setattr(nifti, "load_back", wrong)
    with pytest.raises(OutputError, match=r"differently|other values"):
        write_labels(tmp_path / "m.nii", label_map)
    assert _names(tmp_path) == ["t1.nii.gz"]


def test_an_interrupt_leaves_nothing(tmp_path: Path, label_map: LabelMap, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_compare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_labels(tmp_path / "m.nii", label_map)
    assert _names(tmp_path) == ["t1.nii.gz"]


def test_a_full_disk_is_told_where_one_is_at_hand(label_map: LabelMap) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("wb", buffering=0) as file, pytest.raises(ResourceError), writing._output_errors(full):
        file.write(b"x")


def test_a_map_of_another_grid_is_refused(tmp_path: Path, label_map: LabelMap) -> None:
    with pytest.raises(OutputError, match="does not lie on the grid"):
        write_map(tmp_path / "p.nii", np.zeros((3, 3, 3)), label_map)


def test_five_axes_are_refused_where_the_format_has_four(tmp_path: Path) -> None:
    (volume,) = read_channels(save_nifti(tmp_path / "c.nii", world_image(3), world_affine()), axis4="time")
    maps = np.stack([volume.data[0]] * 2)
    for suffix in (".mgz", ".nrrd"):
        with pytest.raises(OutputError, match="cannot hold 5 axes"):
            write_map(tmp_path / f"p{suffix}", maps, labels_of(volume))


def test_the_header_of_an_mgh_is_inherited(tmp_path: Path) -> None:
    image = nibabel.MGHImage(world_image(), world_affine())
    image.header["tr"] = 2300.0
    image.to_filename(tmp_path / "t1.mgz")
    (volume,) = read_channels(tmp_path / "t1.mgz")
    target = write_labels(tmp_path / "m.mgz", labels_of(volume))
    header = nibabel.load(target).header
    assert float(header["tr"]) == 2300.0
    assert header.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(header["Pxyz_c"], nibabel.load(tmp_path / "t1.mgz").header["Pxyz_c"])


def test_two_runs_write_the_same_bytes(tmp_path: Path, label_map: LabelMap) -> None:
    first = write_labels(tmp_path / "m.nii", label_map).read_bytes()
    assert write_labels(tmp_path / "m.nii", label_map).read_bytes() == first
