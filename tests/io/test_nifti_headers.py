"""What NIfTI headers say, and what is inherited from them."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.io.grid_making import labels_of, save_nifti, world_affine, world_image

from napari_gmmseg.errors import InputError, SettingsError
from napari_gmmseg.io import read_channels, write_labels, write_map


@pytest.mark.parametrize(("sform", "qform"), [(1, 0), (0, 1), (2, 1), (1, 1), (4, 2)])
def test_sform_and_qform_are_read_and_inherited_alone_or_together(tmp_path: Path, sform: int, qform: int) -> None:
    path = save_nifti(tmp_path / "a.nii", world_image(), world_affine(), sform=sform, qform=qform)
    (volume,) = read_channels(path)
    assert volume.geometry.verified
    assert not volume.findings
    np.testing.assert_allclose(volume.source.affine, world_affine(), atol=1e-5)  # type: ignore[union-attr]
    written = nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume))).header
    source = nibabel.load(path).header
    for name in ("sform_code", "qform_code", "pixdim", "srow_x", "srow_y", "srow_z", "quatern_b", "xyzt_units"):
        np.testing.assert_array_equal(written[name], source[name], err_msg=name)


@pytest.mark.parametrize(("units", "factor"), [("mm", 1.0), ("micron", 1000.0), ("meter", 1e-3), ("unknown", 1.0)])
def test_header_units_are_read_as_mm_and_kept(tmp_path: Path, units: str, factor: float) -> None:
    affine = np.diag([factor] * 3 + [1.0]) @ world_affine()
    path = save_nifti(tmp_path / "a.nii", world_image(), affine, units=units)
    (volume,) = read_channels(path)
    np.testing.assert_allclose(volume.geometry.spacing, (2.5, 0.9, 1.2), rtol=1e-5)
    written = nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume)))
    assert written.header.get_xyzt_units() == (units, "sec")
    np.testing.assert_allclose(written.affine, affine, rtol=1e-5)


def test_a_wrong_unit_is_doubted(tmp_path: Path) -> None:
    (volume,) = read_channels(save_nifti(tmp_path / "a.nii", world_image(), world_affine(), units="micron"))
    assert [f.code for f in volume.findings] == ["unlikely-voxel-size"]
    assert not volume.geometry.verified


def test_scaling_is_applied_and_cleared_from_masks(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(120, dtype=np.int16).reshape(6, 5, 4), world_affine())
    image.header.set_slope_inter(0.5, -10.0)
    image.header["cal_max"] = 50
    image.header["intent_code"] = 1007
    image.to_filename(tmp_path / "a.nii.gz")
    (volume,) = read_channels(tmp_path / "a.nii.gz")
    assert volume.data.dtype == np.float32
    np.testing.assert_allclose(volume.data[0, 0, 0, :3], [-10.0, 0.0, 10.0])
    written = nibabel.load(write_labels(tmp_path / "m.nii.gz", labels_of(volume)))
    assert written.get_data_dtype() == np.uint8
    assert (written.dataobj.slope, written.dataobj.inter) == (1.0, 0.0)
    assert float(written.header["cal_max"]) == 0
    assert int(written.header["intent_code"]) == 0
    assert b"napari-gmmseg" in bytes(written.header["descrip"])
    assert b"unverified" not in bytes(written.header["descrip"])


def test_nifti2_stays_nifti2(tmp_path: Path) -> None:
    nibabel.Nifti2Image(world_image(), world_affine()).to_filename(tmp_path / "a.nii")
    (volume,) = read_channels(tmp_path / "a.nii")
    written = nibabel.load(write_labels(tmp_path / "m.nii.gz", labels_of(volume)))
    assert isinstance(written, nibabel.Nifti2Image)
    np.testing.assert_allclose(written.affine, world_affine(), atol=1e-9)


def test_a_big_endian_file_is_read_and_answered(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nibabel.Nifti1Image(world_image().astype(">i2"), world_affine(), header).to_filename(tmp_path / "a.nii")
    (volume,) = read_channels(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.data[0], world_image().transpose(2, 1, 0))
    written = nibabel.load(write_map(tmp_path / "p.nii", volume.data[0], labels_of(volume)))
    np.testing.assert_array_equal(np.asarray(written.dataobj), world_image())


@pytest.mark.parametrize("half", [".img", ".hdr"])
def test_either_half_of_a_pair_is_read(tmp_path: Path, half: str) -> None:
    nibabel.Nifti1Pair(world_image(), world_affine()).to_filename(tmp_path / "a.img")
    (volume,) = read_channels(tmp_path / f"a{half}")
    np.testing.assert_array_equal(volume.data[0], world_image().transpose(2, 1, 0))
    assert volume.source is not None
    assert volume.source.format == "nifti1"


def test_an_analyze_pair_is_read_with_doubt(tmp_path: Path) -> None:
    image = nibabel.AnalyzeImage(world_image().astype(np.int16), np.diag([-2.0, 2, 2, 1]))
    image.to_filename(tmp_path / "a.img")
    (volume,) = read_channels(tmp_path / "a.hdr")
    assert [f.code for f in volume.findings] == ["orientation-unknown"]
    assert volume.geometry.spacing == (2.0, 2.0, 2.0)
    written = nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume)))
    assert b"geometry unverified" in bytes(written.header["descrip"])


def test_without_qform_and_sform_the_sides_are_unknown(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", world_image(), world_affine(), sform=0, qform=0)
    (volume,) = read_channels(path)
    assert [f.code for f in volume.findings] == ["orientation-unknown"]
    assert not volume.geometry.verified
    assert volume.geometry.unit == "mm"
    written = nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume))).header
    assert (int(written["sform_code"]), int(written["qform_code"])) == (0, 0)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_broken_sform_without_qform_is_unverified(tmp_path: Path, value: float) -> None:
    path = save_nifti(tmp_path / "a.nii", world_image(), world_affine(), qform=0)
    raw = bytearray(path.read_bytes())
    raw[280:328] = np.full(12, value, dtype=np.float32).tobytes()
    path.write_bytes(bytes(raw))
    (volume,) = read_channels(path)
    assert [f.code for f in volume.findings] == ["broken-affine"]
    assert not volume.geometry.verified
    np.testing.assert_allclose(volume.geometry.spacing, (2.5, 0.9, 1.2), rtol=1e-6)
    target = write_labels(tmp_path / "m.nii", labels_of(volume))
    assert b"geometry unverified" in bytes(nibabel.load(target).header["descrip"])


def test_a_broken_sform_falls_back_to_the_qform(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", world_image(), world_affine())
    raw = bytearray(path.read_bytes())
    raw[280:328] = bytes(48)
    path.write_bytes(bytes(raw))
    (volume,) = read_channels(path)
    assert [f.code for f in volume.findings] == ["broken-affine"]
    np.testing.assert_allclose(volume.source.affine, world_affine(), atol=1e-4)  # type: ignore[union-attr]


def test_no_voxel_size_at_all_is_counted_in_pixels_until_it_is_told(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", world_image(), world_affine(), sform=0, qform=0)
    raw = bytearray(path.read_bytes())
    raw[80:92] = bytes(12)
    path.write_bytes(bytes(raw))
    (volume,) = read_channels(path)
    assert volume.geometry.unit == "pixel"
    (told,) = read_channels(path, spacing=(3.0, 2.0, 1.0))
    assert told.geometry.unit == "mm"
    assert told.geometry.spacing == (3.0, 2.0, 1.0)
    written = nibabel.load(write_labels(tmp_path / "m.nii", labels_of(told)))
    np.testing.assert_allclose(written.header.get_zooms(), (1.0, 2.0, 3.0))


def test_a_spacing_against_the_header_is_refused(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", world_image(), world_affine())
    with pytest.raises(SettingsError, match="tells its own spacing"):
        read_channels(path, spacing=(1.0, 1.0, 1.0))


def test_disagreeing_forms_are_a_finding_and_other_sides_are_unverified(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(world_image(), None)
    moved = world_affine()
    moved[:3, 3] += 7
    image.header.set_sform(world_affine(), code=1)
    image.header.set_qform(moved, code=1)
    image.to_filename(tmp_path / "a.nii")
    (volume,) = read_channels(tmp_path / "a.nii")
    assert [(f.code, f.severity) for f in volume.findings] == [("qform-sform-differ", "warning")]
    assert volume.geometry.verified
    image.header.set_qform(world_affine() @ np.diag([-1.0, 1, 1, 1]), code=1)
    image.to_filename(tmp_path / "b.nii")
    (flipped,) = read_channels(tmp_path / "b.nii")
    assert not flipped.geometry.verified


def test_a_registered_sform_is_only_noted(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(world_image(), None)
    image.header.set_sform(np.diag([1.0, 1, 2, 1]) @ world_affine(), code=4)
    image.header.set_qform(world_affine(), code=1)
    image.to_filename(tmp_path / "a.nii")
    (volume,) = read_channels(tmp_path / "a.nii")
    assert [(f.code, f.severity) for f in volume.findings] == [("qform-sform-differ", "note")]


def test_a_fourth_axis_is_never_silently_channels(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", world_image(3), world_affine())
    with pytest.raises(SettingsError) as caught:
        read_channels(path)
    assert "--axis4 time|channel" in caught.value.hint
    assert "--frame N" in caught.value.hint
    with pytest.raises(SettingsError, match="no frame 3"):
        read_channels(path, frame=3)


@pytest.mark.parametrize("shape", [(6, 5, 4, 1), (6, 5, 4, 1, 1), (6, 5, 1), (6, 5)])
def test_singleton_axes_are_no_fourth_axis(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    (volume,) = read_channels(save_nifti(tmp_path / "a.nii", array, np.eye(4)))
    assert volume.data.ndim == 4
    np.testing.assert_array_equal(volume.data[0, 0].T, array.reshape(6, 5, -1)[..., 0])
    written = nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume)))
    assert written.shape[:2] == (6, 5)


def test_a_vector_axis_is_the_fourth_axis(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", world_image(1, 2), world_affine())
    (volume,) = read_channels(path, axis4="channel")
    np.testing.assert_array_equal(volume.data[1], world_image(1, 2)[..., 0, 1].transpose(2, 1, 0))
    (one,) = read_channels(path, frame=1)
    np.testing.assert_array_equal(one.data[0], volume.data[1])


def test_values_that_are_not_finite_are_kept_and_told(tmp_path: Path) -> None:
    array = world_image()
    array[0, 0, 0], array[1, 1, 1] = np.nan, np.inf
    (volume,) = read_channels(save_nifti(tmp_path / "a.nii", array, world_affine()))
    assert [f.code for f in volume.findings] == ["non-finite-voxels"]
    assert volume.findings[0].message.startswith("2 voxels")
    assert np.isnan(volume.data[0, 0, 0, 0])


def test_values_beyond_single_precision_become_infinite(tmp_path: Path) -> None:
    array = world_image().astype(np.float64)
    array[0, 0, 0] = 1e300
    (volume,) = read_channels(save_nifti(tmp_path / "a.nii", array, world_affine()))
    assert np.isinf(volume.data[0, 0, 0, 0])


def test_several_files_are_several_volumes_named_by_their_contrast(tmp_path: Path) -> None:
    paths = [save_nifti(tmp_path / f"sub-01_{n}.nii", world_image(), world_affine()) for n in ("T1w", "T2w", "FLAIR")]
    volumes = read_channels(paths)
    assert [v.channels for v in volumes] == [("t1",), ("t2",), ("flair",)]
    with pytest.raises(InputError):
        read_channels([])


def test_a_slice_that_does_not_tell_its_thickness_keeps_its_pixel_size(tmp_path: Path) -> None:
    nibabel.Nifti1Image(np.ones((5, 6), np.float32), None).to_filename(tmp_path / "s.nii")
    content = bytearray((tmp_path / "s.nii").read_bytes())
    content[80:92] = np.array([0.7, 0.8, 0], np.float32).tobytes()
    (tmp_path / "s.nii").write_bytes(content)
    (volume,) = read_channels(tmp_path / "s.nii")
    assert volume.geometry.unit == "mm"
    assert volume.geometry.spacing == pytest.approx((1.0, 0.8, 0.7))
