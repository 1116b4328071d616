"""MGH, NRRD, MetaImage and pictures."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image
from tests.io.grid_making import labels_of, save_nifti, world_affine, world_image

from napari_gmmseg.errors import OutputError, SettingsError
from napari_gmmseg.io import read_channels, read_labels, write_labels, write_map


def _simple(path: Path, *, vector: bool = False) -> SimpleITK.Image:
    array = np.random.default_rng(0).random((4, 5, 6, 3) if vector else (4, 5, 6)).astype(np.float32)
    image = SimpleITK.GetImageFromArray(array, isVector=vector)
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetOrigin((-10.0, 20.0, 30.0))
    image.SetDirection((0, 1, 0, 0, 0, 1, 1, 0, 0))
    SimpleITK.WriteImage(image, str(path))
    return image


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd", ".nhdr"])
def test_the_world_of_itk_is_turned_to_ours(tmp_path: Path, suffix: str) -> None:
    image = _simple(tmp_path / f"a{suffix}")
    (volume,) = read_channels(tmp_path / f"a{suffix}")
    assert volume.geometry.verified
    for z, y, x in np.ndindex(*volume.geometry.shape):
        s, a, r, _ = volume.geometry.affine @ (z, y, x, 1)
        assert image[image.TransformPhysicalPointToIndex((-r, -a, s))] == volume.data[0, z, y, x]


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_components_of_a_vector_are_a_fourth_axis(tmp_path: Path, suffix: str) -> None:
    image = _simple(tmp_path / f"a{suffix}", vector=True)
    with pytest.raises(SettingsError, match="one axis more"):
        read_channels(tmp_path / f"a{suffix}")
    (volume,) = read_channels(tmp_path / f"a{suffix}", axis4="channel")
    assert volume.n_channels == 3
    s, a, r, _ = volume.geometry.affine @ (1, 2, 3, 1)
    found = image[image.TransformPhysicalPointToIndex((-r, -a, s))]
    np.testing.assert_array_equal(volume.data[:, 1, 2, 3], np.asarray(found, dtype=np.float32))


def test_an_nrrd_without_place_is_unverified_and_in_pixels(tmp_path: Path) -> None:
    head = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 3 4\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(head + bytes(range(24)))
    (volume,) = read_channels(tmp_path / "a.nrrd")
    assert [f.code for f in volume.findings] == ["orientation-unknown"]
    assert volume.geometry.unit == "pixel"
    assert not volume.geometry.verified


@pytest.mark.parametrize(("space", "sign", "verified"), [("RAS", 1, True), ("LPS", -1, True), ("", -1, False)])
def test_the_space_of_an_nrrd_is_kept_or_doubted(tmp_path: Path, space: str, sign: int, verified: bool) -> None:
    names = {"RAS": "space: right-anterior-superior\n", "LPS": "space: left-posterior-superior\n"}
    head = (
        f"NRRD0004\ntype: uchar\ndimension: 3\n{names.get(space, 'space dimension: 3' + chr(10))}sizes: 2 3 4\n"
        "space directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)\nencoding: raw\n\n"
    )
    (tmp_path / "a.nrrd").write_bytes(head.encode() + bytes(range(24)))
    (volume,) = read_channels(tmp_path / "a.nrrd")
    assert volume.geometry.verified is verified
    assert volume.geometry.unit == "mm"
    assert volume.source is not None
    expected = np.diag([2.0 * sign, 3 * sign, 4, 1])
    expected[:3, 3] = (10 * sign, 20 * sign, 30)
    np.testing.assert_allclose(volume.source.affine, expected)


def test_a_flat_metaimage_is_one_slice(tmp_path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.eye(5, dtype=np.float32)), str(tmp_path / "a.mha"))
    (volume,) = read_channels(tmp_path / "a.mha")
    assert volume.data.shape == (1, 1, 5, 5)


@pytest.mark.parametrize("suffix", [".nii", ".mgz", ".nrrd", ".mha"])
def test_a_sheared_grid_keeps_its_shear(tmp_path: Path, suffix: str) -> None:
    affine = world_affine(oblique=False)
    affine[0, 1] = 0.3
    (volume,) = read_channels(save_nifti(tmp_path / "a.nii", world_image(), affine, qform=0))
    again = read_labels(write_labels(tmp_path / f"m{suffix}", labels_of(volume)))
    assert again.source is not None
    np.testing.assert_allclose(again.source.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(again.labels, labels_of(volume).labels)


def test_an_mgh_without_orientation_is_unverified(tmp_path: Path) -> None:
    image = nibabel.MGHImage(world_image(), world_affine())
    image.header["goodRASFlag"] = 0
    image.to_filename(tmp_path / "a.mgh")
    raw = bytearray((tmp_path / "a.mgh").read_bytes())
    raw[28:30] = bytes(2)
    (tmp_path / "a.mgh").write_bytes(bytes(raw))
    (volume,) = read_channels(tmp_path / "a.mgh")
    assert not volume.geometry.verified


def _picture(tmp_path: Path, name: str, array: np.ndarray) -> Path:
    Image.fromarray(array).save(tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.tiff"])
def test_a_grey_picture_is_one_slice_in_pixels(tmp_path: Path, name: str) -> None:
    array = np.arange(48, dtype=np.uint8).reshape(6, 8)
    (volume,) = read_channels(_picture(tmp_path, name, array))
    assert volume.data.shape == (1, 1, 6, 8)
    assert volume.geometry.unit == "pixel"
    np.testing.assert_array_equal(volume.data[0, 0], array)
    for target in ("m.png", "m.tif", "m.nii.gz", "m.mha"):
        written = write_labels(tmp_path / target, labels_of(volume))
        np.testing.assert_array_equal(read_labels(written).labels, labels_of(volume).labels)
    with Image.open(tmp_path / "m.png") as mask:
        assert mask.size == (8, 6)
    assert b"no voxel size" in bytes(nibabel.load(tmp_path / "m.nii.gz").header["descrip"])


def test_a_spacing_gives_a_picture_mm(tmp_path: Path) -> None:
    path = _picture(tmp_path, "a.png", np.arange(48, dtype=np.uint8).reshape(6, 8))
    (volume,) = read_channels(path, spacing=(2.0, 1.5))
    assert volume.geometry.unit == "mm"
    assert volume.geometry.spacing == (1.0, 2.0, 1.5)
    header = nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume))).header
    assert header.get_zooms() == (1.5, 2.0, 1.0)
    assert header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("bad", [(0.0, 1.0), (1.0,), (1.0, np.nan), (1.0, 1.0, 1.0, 1.0)])
def test_a_spacing_that_is_none_is_refused(tmp_path: Path, bad: tuple[float, ...]) -> None:
    path = _picture(tmp_path, "a.png", np.arange(48, dtype=np.uint8).reshape(6, 8))
    with pytest.raises(SettingsError, match="lengths above 0"):
        read_channels(path, spacing=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_colours_that_are_equal_are_grey(tmp_path: Path, name: str) -> None:
    grey = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8, 1), 3, axis=2)
    (volume,) = read_channels(_picture(tmp_path, name, grey))
    assert volume.data.shape == (1, 1, 8, 8)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_colours_that_differ_need_to_be_called_channels(tmp_path: Path, name: str) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    path = _picture(tmp_path, name, colours)
    with pytest.raises(SettingsError) as caught:
        read_channels(path)
    assert "--axis4" in caught.value.hint
    (volume,) = read_channels(path, axis4="channel")
    np.testing.assert_array_equal(volume.data[:, 0], np.moveaxis(colours, -1, 0))
    (green,) = read_channels(path, frame=1)
    np.testing.assert_array_equal(green.data[0, 0], colours[..., 1])


def test_transparency_is_no_channel(tmp_path: Path) -> None:
    opaque = np.full((6, 8, 4), 255, dtype=np.uint8)
    opaque[..., :3] = np.arange(48, dtype=np.uint8).reshape(6, 8, 1)
    (volume,) = read_channels(_picture(tmp_path, "a.png", opaque))
    assert volume.n_channels == 1


@pytest.mark.parametrize("imagej", [False, True])
def test_pages_of_a_tiff_are_slices(tmp_path: Path, imagej: bool) -> None:
    array = np.arange(3 * 48, dtype=np.uint16).reshape(3, 6, 8)
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=imagej, photometric="minisblack", metadata={"axes": "ZYX"})
    (volume,) = read_channels(tmp_path / "a.tif", spacing=(5.0, 1.0, 2.0))
    np.testing.assert_array_equal(volume.data[0], array)
    assert volume.geometry.spacing == (5.0, 1.0, 2.0)
    written = write_labels(tmp_path / "m.tif", labels_of(volume))
    np.testing.assert_array_equal(tifffile.imread(written), labels_of(volume).labels)
    assert nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume))).shape == (8, 6, 3)


def test_maps_of_a_picture_are_pages_of_a_tiff(tmp_path: Path) -> None:
    (volume,) = read_channels(_picture(tmp_path, "a.png", np.arange(48, dtype=np.uint8).reshape(6, 8)))
    maps = np.stack([volume.data[0] / 50, 1 - volume.data[0] / 50])
    np.testing.assert_array_equal(tifffile.imread(write_map(tmp_path / "p.tif", maps, labels_of(volume))), maps[:, 0])
    with pytest.raises(OutputError, match="one slice of label values"):
        write_map(tmp_path / "p.png", maps[0], labels_of(volume))


def test_masks_of_volumes_are_not_written_as_pictures(tmp_path: Path) -> None:
    (volume,) = read_channels(save_nifti(tmp_path / "a.nii", world_image(), world_affine()))
    with pytest.raises(OutputError, match="hold no affine"):
        write_labels(tmp_path / "m.tif", labels_of(volume))


def test_real_glioma_slices_have_three_channels(real_data: Path) -> None:
    folder = real_data / "lgg_dev" / "TCGA_CS_4941_19960909"
    (volume,) = read_channels(folder / "TCGA_CS_4941_19960909_12.tif", axis4="channel")
    assert volume.data.shape == (3, 1, 256, 256)
    mask = read_labels(folder / "TCGA_CS_4941_19960909_12_mask.tif")
    assert mask.labels.shape == (1, 256, 256)
    assert set(np.unique(mask.labels)) <= {0, 255}


def test_real_heads_are_read_in_the_closest_canonical_order(real_data: Path) -> None:
    (volume,) = read_channels(real_data / "ptbp_dev" / "t1_01.nii.gz")
    canonical = nibabel.as_closest_canonical(nibabel.load(real_data / "ptbp_dev" / "t1_01.nii.gz"))
    np.testing.assert_array_equal(volume.data[0], np.asarray(canonical.dataobj).transpose(2, 1, 0).astype(np.float32))
    swap = np.eye(4)[[2, 1, 0, 3]]
    np.testing.assert_allclose(volume.geometry.affine, swap @ canonical.affine @ swap, atol=1e-4)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_deflate", None])
@pytest.mark.parametrize("n_pages", [1, 3])
def test_compressed_tiffs_are_read(tmp_path: Path, compression: str | None, n_pages: int) -> None:
    pages = [Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) + k) for k in range(n_pages)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression=compression)
    (volume,) = read_channels(tmp_path / "a.tif")
    np.testing.assert_array_equal(volume.data[0], np.stack([np.asarray(p) for p in pages]))
