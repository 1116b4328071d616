"""DICOM: slices by where they lie, one series at a time."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from tests.io.dicom_making import (
    SHAPE,
    affine_ras,
    compressed,
    save_enhanced,
    save_series,
    voxels,
)
from tests.io.grid_making import labels_of

from napari_gmmseg.errors import GmmsegError, InputError, SettingsError
from napari_gmmseg.io import read_channels, write_labels, write_map
from napari_gmmseg.volumes import Volume


def _check_voxels(volume: Volume, expected: np.ndarray, folder: Path) -> None:
    """The volume's voxels, written as NIfTI, must lie where the series has them."""
    path = write_map(folder / "out.nii", volume.data[0], labels_of(volume))
    written = nibabel.load(path)
    np.testing.assert_allclose(written.affine, affine_ras(), atol=1e-4)
    np.testing.assert_allclose(np.asarray(written.dataobj), expected.transpose(2, 1, 0), rtol=1e-6)


@pytest.mark.parametrize("suffix", [".dcm", "", ".IMA", ".1"])
def test_slices_are_ordered_by_where_they_lie(tmp_path: Path, suffix: str) -> None:
    save_series(tmp_path / "s", suffix=suffix)
    (volume,) = read_channels(tmp_path / "s")
    assert volume.geometry.verified
    assert volume.channels == ("t1",)
    assert [f.code for f in volume.findings] == ["dicom-series"]
    assert volume.source is not None
    assert volume.source.format == "dicom"
    assert volume.source.details["SeriesInstanceUID"] == "1.2.3.1"
    assert "Nobody" not in str(volume.source.details)
    _check_voxels(volume, voxels(), tmp_path)


def test_the_affine_is_that_of_simpleitk(tmp_path: Path) -> None:
    save_series(tmp_path / "s")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "s")))
    image = reader.Execute()
    (volume,) = read_channels(tmp_path / "s")
    rng = np.random.default_rng(0)
    for z, y, x in rng.integers(0, volume.geometry.shape, (10, 3)):
        s, a, r, _ = volume.geometry.affine @ (z, y, x, 1)
        index = image.TransformPhysicalPointToIndex((-r, -a, s))
        assert image[index] == volume.data[0, z, y, x]


def test_one_file_stands_for_its_series(tmp_path: Path) -> None:
    paths = save_series(tmp_path / "s")
    save_series(tmp_path / "s", uid="1.2.3.2", number=2, description="T2")
    (volume,) = read_channels(paths[2])
    _check_voxels(volume, voxels(), tmp_path)


def test_slope_and_intercept_of_each_slice_are_applied(tmp_path: Path) -> None:
    slopes = {z: str(0.5 + z) for z in range(SHAPE[0])}
    save_series(tmp_path / "s", RescaleSlope=slopes, RescaleIntercept="-7")
    (volume,) = read_channels(tmp_path / "s")
    expected = voxels() * (0.5 + np.arange(SHAPE[0]))[:, None, None] - 7
    _check_voxels(volume, expected.astype(np.float32), tmp_path)


def test_localisers_and_derived_series_are_passed_over_and_listed(tmp_path: Path) -> None:
    save_series(tmp_path / "s", number=3)
    big = np.concatenate([voxels()] * 2)
    save_series(tmp_path / "s", data=big, uid="1.2.3.2", number=1, description="3-plane loc")
    save_series(tmp_path / "s", data=big, uid="1.2.3.3", number=4, image_type=("DERIVED", "SECONDARY", "MPR"))
    (volume,) = read_channels(tmp_path / "s")
    _, finding = volume.findings
    assert (finding.code, finding.severity) == ("several-series", "note")
    assert "localiser" in finding.message
    assert "derived" in finding.message
    _check_voxels(volume, voxels(), tmp_path)


def test_the_largest_of_several_original_series_is_read_with_a_warning(tmp_path: Path) -> None:
    save_series(tmp_path / "s", number=3)
    save_series(tmp_path / "s", data=voxels()[:3], uid="1.2.3.2", number=4, description="T2")
    (volume,) = read_channels(tmp_path / "s")
    assert [(f.code, f.severity) for f in volume.findings[1:]] == [("several-series", "warning")]
    _check_voxels(volume, voxels(), tmp_path)


@pytest.mark.parametrize("name", ["4", "1.2.3.2", "T2 TSE", "tse"])
def test_a_series_is_named_by_number_uid_or_description(tmp_path: Path, name: str) -> None:
    save_series(tmp_path / "s", number=3)
    save_series(tmp_path / "s", data=voxels()[::-1], uid="1.2.3.2", number=4, description="T2 TSE")
    (volume,) = read_channels(tmp_path / "s", series=name)
    assert volume.channels == ("t2",)
    _check_voxels(volume, voxels()[::-1], tmp_path)


@pytest.mark.parametrize("wanted", [None, "99", "T"])
def test_equal_series_or_unknown_names_are_refused_with_a_list(tmp_path: Path, wanted: str | None) -> None:
    save_series(tmp_path / "s", number=3)
    save_series(tmp_path / "s", uid="1.2.3.2", number=4, description="T2 TSE")
    with pytest.raises(InputError) as caught:
        read_channels(tmp_path / "s", series=wanted)
    assert "T1 MPRAGE" in caught.value.message
    assert "T2 TSE" in caught.value.message
    assert "--series" in caught.value.hint


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_missing_slice_is_refused_and_located(tmp_path: Path, gone: int) -> None:
    paths = save_series(tmp_path / "s")
    paths[gone].unlink()
    with pytest.raises(InputError, match="misses 1 slice") as caught:
        read_channels(tmp_path / "s")
    assert f"after slice {gone}" in caught.value.message
    assert caught.value.hint


def test_uneven_gaps_are_refused(tmp_path: Path) -> None:
    save_series(tmp_path / "s", heights=[0, 1, 2.3, 3.3, 4.6])
    with pytest.raises(InputError, match="uneven gaps"):
        read_channels(tmp_path / "s")


def test_a_slice_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    save_series(tmp_path / "s", heights=[0, 1, 2, 2, 3])
    with pytest.raises(InputError, match="fewer at 3 of 4"):
        read_channels(tmp_path / "s")


def test_a_copied_file_counts_once(tmp_path: Path) -> None:
    paths = save_series(tmp_path / "s")
    (tmp_path / "s" / "copy").write_bytes(paths[1].read_bytes())
    (volume,) = read_channels(tmp_path / "s")
    _check_voxels(volume, voxels(), tmp_path)


def test_mixed_orientations_are_refused(tmp_path: Path) -> None:
    turned = {z: [1, 0, 0, 0, 1, 0] if z == 3 else [0, 1, 0, 0, 0, -1] for z in range(SHAPE[0])}
    save_series(tmp_path / "s", ImageOrientationPatient=turned)
    with pytest.raises(InputError, match="2 orientations"):
        read_channels(tmp_path / "s")


def test_mixed_sizes_are_refused(tmp_path: Path) -> None:
    save_series(tmp_path / "s")
    paths = save_series(tmp_path / "other", data=voxels()[:1], heights=[5], Rows=6, Columns=7)
    (tmp_path / "s" / "x.dcm").write_bytes(paths[0].read_bytes())
    with pytest.raises(InputError, match="several sizes"):
        read_channels(tmp_path / "s")


def test_repeated_places_are_a_fourth_axis(tmp_path: Path) -> None:
    data = voxels(10)
    times = {z: z // 5 + 1 for z in range(10)}
    save_series(tmp_path / "s", data=data, heights=[*range(5), *range(5)], TemporalPositionIdentifier=times)
    with pytest.raises(SettingsError) as caught:
        read_channels(tmp_path / "s")
    assert "--axis4" in caught.value.hint
    (volume,) = read_channels(tmp_path / "s", frame=1)
    _check_voxels(volume, data[5:], tmp_path)
    (both,) = read_channels(tmp_path / "s", axis4="time")
    np.testing.assert_array_equal(both.data[0, 1], volume.data[0])


def test_only_magnitude_is_read_of_a_series_with_phase(tmp_path: Path) -> None:
    data = voxels(10)
    kinds = {z: ["ORIGINAL", "PRIMARY", "M" if z < 5 else "P"] for z in range(10)}
    save_series(tmp_path / "s", data=data, heights=[*range(5), *range(5)], ImageType=kinds)
    (volume,) = read_channels(tmp_path / "s")
    assert [f.code for f in volume.findings[1:]] == ["only-magnitude"]
    _check_voxels(volume, data[:5], tmp_path)


def test_an_enhanced_file_is_ordered_by_its_frames_places(tmp_path: Path) -> None:
    path = save_enhanced(tmp_path / "enhanced", voxels(), [3, 0, 4, 1, 2], slope=2.0)
    (volume,) = read_channels(path)
    assert volume.channels == ("flair",)
    _check_voxels(volume, 2.0 * voxels(), tmp_path)


def test_an_enhanced_file_with_times_has_a_fourth_axis(tmp_path: Path) -> None:
    data = voxels(10)
    path = save_enhanced(tmp_path / "enhanced", data, list(range(10))[::-1], times=2)
    (volume,) = read_channels(path, frame=1)
    _check_voxels(volume, data[1::2], tmp_path)


def test_an_enhanced_file_that_misses_a_frame_is_refused(tmp_path: Path) -> None:
    path = save_enhanced(tmp_path / "enhanced", voxels(), [0, 1, 3, 4])
    with pytest.raises(InputError, match="misses 1 slice"):
        read_channels(path)


def test_images_without_places_are_read_unverified(tmp_path: Path) -> None:
    numbers = {z: z + 1 for z in range(SHAPE[0])}
    save_series(tmp_path / "s", ImagePositionPatient=None, InstanceNumber=numbers)
    (volume,) = read_channels(tmp_path / "s")
    assert [f.code for f in volume.findings[1:]] == ["orientation-unknown"]
    assert not volume.geometry.verified
    target = nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume)))
    assert b"geometry unverified" in bytes(target.header["descrip"])
    values = nibabel.load(write_map(tmp_path / "p.nii", volume.data[0], labels_of(volume)))
    np.testing.assert_array_equal(np.asarray(values.dataobj), voxels().transpose(2, 1, 0))


def test_a_single_slice_is_a_volume(tmp_path: Path) -> None:
    save_series(tmp_path / "s", data=voxels()[:1])
    (volume,) = read_channels(tmp_path / "s")
    assert sorted(volume.geometry.shape) == [1, 6, 7]
    assert sorted(volume.geometry.spacing) == pytest.approx([0.8, 1.1, 3.0])


def test_run_length_compression_is_read(tmp_path: Path) -> None:
    for path in save_series(tmp_path / "s"):
        compressed(path, pydicom.uid.RLELossless)
    (volume,) = read_channels(tmp_path / "s")
    _check_voxels(volume, voxels(), tmp_path)


def test_compression_that_needs_another_decoder_is_read_with_its_scaling(tmp_path: Path) -> None:
    for path in save_series(tmp_path / "s", RescaleSlope="2", RescaleIntercept="1"):
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
        writer = SimpleITK.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG")
        writer.KeepOriginalImageUIDOn()
        whole = SimpleITK.Cast(image, SimpleITK.sitkInt16)
        for key in image.GetMetaDataKeys():
            whole.SetMetaData(key, image.GetMetaData(key))
        writer.SetFileName(str(path))
        writer.Execute(whole)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    (volume,) = read_channels(tmp_path / "s")
    _check_voxels(volume, (2 * voxels() + 1).astype(np.float32), tmp_path)


def test_other_files_in_the_folder_do_not_matter(tmp_path: Path) -> None:
    save_series(tmp_path / "s")
    (tmp_path / "s" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "s" / "readme.txt").write_text("notes")
    (tmp_path / "s" / ".hidden").write_text("notes")
    (volume,) = read_channels(tmp_path / "s")
    _check_voxels(volume, voxels(), tmp_path)


def test_a_damaged_file_in_a_series_is_named(tmp_path: Path) -> None:
    paths = save_series(tmp_path / "s")
    paths[1].write_bytes(paths[1].read_bytes()[:-40])
    with pytest.raises(GmmsegError, match=paths[1].name):
        read_channels(tmp_path / "s")


def test_a_real_series_lies_where_a_converter_puts_it(real_data: Path) -> None:
    (volume,) = read_channels(real_data / "philips_mprage" / "dicom_t1_tiny16")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(real_data / "philips_mprage" / "dicom_t1_tiny16")))
    image = reader.Execute()
    assert volume.channels == ("t1",)
    rng = np.random.default_rng(0)
    for z, y, x in rng.integers(0, volume.geometry.shape, (20, 3)):
        s, a, r, _ = volume.geometry.affine @ (z, y, x, 1)
        index = image.TransformPhysicalPointToIndex((-r, -a, s))
        assert image[index] == pytest.approx(float(volume.data[0, z, y, x]), rel=1e-5)


def test_the_series_that_was_read_is_noted_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    save_series(tmp_path / "a" / "s", number=4, description="T2 TSE")
    (volume,) = read_channels(tmp_path / "a")
    (note,) = volume.findings
    assert (note.code, note.severity) == ("dicom-series", "note")
    assert f"4 'T2 TSE' (5 images, original) in {tmp_path / 'a' / 's'} was read" in note.message


@pytest.mark.parametrize("name", ["T1.nii.gz", "brain.mgz", "a.nrrd"])
def test_a_folder_of_dicom_and_other_volumes_is_not_guessed_about(tmp_path: Path, name: str) -> None:
    files = save_series(tmp_path / "dicom")
    (tmp_path / name).write_bytes(b"any")
    with pytest.raises(InputError, match=name) as caught:
        read_channels(tmp_path)
    assert "Name the files you mean" in caught.value.hint
    assert read_channels(tmp_path / "dicom")[0].data.shape == (1, *read_channels(files[0])[0].data.shape[1:])


def test_thumbnails_beside_dicom_do_not_matter(tmp_path: Path) -> None:
    save_series(tmp_path)
    (tmp_path / "preview.jpg").write_bytes(b"any")
    assert read_channels(tmp_path)[0].n_channels == 1


def test_slices_further_apart_than_thick_are_doubted(tmp_path: Path) -> None:
    save_series(tmp_path / "s", data=voxels()[:3], heights=[0, 2, 4])
    (volume,) = read_channels(tmp_path / "s")
    (doubt,) = [finding for finding in volume.findings if finding.code == "gaps-between-slices"]
    assert "6 mm apart" in doubt.message
