"""napari's Open, Save and Open Sample."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import npe2
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from tests.plugin.layer_making import SHAPE, file_affine, like_napari_nifti
from tests.plugin.test_layers import mask_of

from napari_gmmseg import api
from napari_gmmseg.config.presets import YELLOW
from napari_gmmseg.errors import MaskError, OutputError
from napari_gmmseg.io.sample import load_sample, sample_path
from napari_gmmseg.plugin.layers import volume_from_layer
from napari_gmmseg.plugin.metadata import preset_of, volume_of
from napari_gmmseg.plugin.reader import get_reader, read_layers
from napari_gmmseg.plugin.sample_data import brain, glioma, heart
from napari_gmmseg.plugin.shown import display_like, label_layer
from napari_gmmseg.plugin.snapshots import take_snapshot
from napari_gmmseg.plugin.writer import write_labels_layer, write_map_layer

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ", "a.mgz", "a.nrrd", "a.mha", "a.hdr", "a.dcm"])
def test_known_suffixes_are_read(name):
    assert get_reader(name) is read_layers


@pytest.mark.parametrize("name", ["a.tif", "a.csv", "a.gz", "a"])
def test_other_suffixes_are_left_to_others(name):
    assert get_reader(name) is None


def test_a_folder_is_read_if_it_holds_dicom(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    assert get_reader(str(tmp_path)) is None
    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(16))
    assert get_reader(str(tmp_path)) is read_layers


def test_the_head_stands_upright_with_the_right_side_on_the_left(make_file):
    ((data, settings, _),) = read_layers(str(make_file(file_affine(oblique=False))))
    layer = Image(data, **settings)
    superior, anterior, right = np.eye(3)
    origin = np.zeros(3)

    def step(axis: np.ndarray) -> np.ndarray:
        return np.asarray(layer.data_to_world(axis)) - np.asarray(layer.data_to_world(origin))

    assert step(superior)[0] < 0
    assert step(anterior)[1] < 0
    assert step(right)[2] < 0
    assert [str(u) for u in layer.units] == ["millimeter"] * 3


def test_a_predicted_mask_opens_with_names_and_colours_over_its_image(tmp_path):
    for name in ("glioma_flair.nii.gz", "glioma_dseg.nii.gz", "glioma_dseg.tsv"):
        shutil.copyfile(sample_path(name), tmp_path / name)
    # An image beside a mask shares its stem with the mask's sidecar, and is none.
    shutil.copyfile(sample_path("glioma_flair.nii.gz"), tmp_path / "glioma.nii.gz")
    result = api.predict(sample_path("glioma_model.safetensors"), load_sample("glioma"), threads=1)
    api.write(tmp_path / "out.nii.gz", result)
    names = ("glioma_flair", "glioma", "glioma_dseg", "out")
    opened = read_layers([str(tmp_path / f"{name}.nii.gz") for name in names])
    assert [kind for _, _, kind in opened] == ["image", "image", "labels", "labels"]
    data, settings, _ = opened[3]
    layer, image = Labels(data, **settings), Image(opened[0][0], **opened[0][1])
    assert layer.features["class"].tolist() == ["Background", "Oedema", "Enhancing tumour", "Necrotic core"]
    np.testing.assert_allclose(layer.colormap.color_dict[4], (*YELLOW, 1.0), atol=1 / 255)
    np.testing.assert_array_equal(layer.data, result.label_map.labels)
    assert layer.data_to_world((3, 4, 5)) == image.data_to_world((3, 4, 5))


@pytest.mark.parametrize(
    ("value", "names", "kind"),
    [
        (2035.0, "index\tname\n2035\tctx-rh-insula\n", "labels"),
        (3.0, "number\tname\n3\tno table of labels\n", "labels"),
        (2.0**25, "index\tname\n1\tx\n", "image"),
        (-1.0, "index\tname\n1\tx\n", "image"),
        (0.5, "index\tname\n1\tx\n", "image"),
        (np.nan, "index\tname\n1\tx\n", "image"),
    ],
)
@pytest.mark.parametrize("n_frames", [1, 3])
def test_a_mask_that_our_classes_cannot_hold_is_opened_all_the_same(make_file, tmp_path, value, names, kind, n_frames):
    other, path = make_file(file_affine()), tmp_path / "aparc_dseg.nii.gz"
    image = nibabel.load(other)
    data = np.zeros(SHAPE if n_frames == 1 else (*SHAPE, n_frames), np.float32)
    data[1, 2, 3] = value
    nibabel.save(nibabel.Nifti1Image(data, image.affine, image.header), path)
    (tmp_path / "aparc_dseg.tsv").write_text(names, encoding="utf-8")
    (_, first, shown_as), (array, settings, found) = read_layers([str(other), str(path)])
    assert (shown_as, found, settings["name"]) == ("image", kind, "aparc_dseg")
    layer = Layer.create(array, settings, found)
    np.testing.assert_array_equal(np.unique(layer.data), np.unique(data))
    assert tuple(layer.scale[-3:]) == tuple(first["scale"])
    if kind == "labels":
        assert np.issubdtype(layer.data.dtype, np.integer)
        layer.data[layer.data > 0] = 7
        assert write_labels_layer(str(tmp_path / "m.nii.gz"), *layer.as_layer_data_tuple()[:2])
        np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / "m.nii.gz").dataobj), np.where(data, 7, 0))


def test_the_transform_shown_is_diagonal_and_the_true_affine_is_kept(make_file):
    affine = file_affine((1, 2, 0), (-1, 1, -1))
    ((data, settings, _),) = read_layers(str(make_file(affine)))
    layer = Image(data, **settings)
    assert np.allclose(take_snapshot(layer).transform[:3, :3], np.diag(layer.scale))
    volume = volume_of(layer.metadata)
    assert volume is not None
    assert volume.source is not None
    assert np.allclose(volume.source.affine, affine, atol=1e-5)


def test_several_files_become_several_layers(make_file):
    paths = [make_file(file_affine(), name) for name in ("t1.nii.gz", "flair.nii.gz")]
    layers = read_layers([str(p) for p in paths])
    assert [settings["name"] for _, settings, _ in layers] == ["t1", "flair"]


def test_a_painted_mask_is_saved_with_its_paint_on_the_files_grid(make_file, tmp_path):
    path = make_file(file_affine((2, 1, 0), (-1, -1, 1)))
    ((data, settings, _),) = read_layers(str(path))
    image = Image(data, **settings)
    found = volume_from_layer(take_snapshot(image))
    label_map = mask_of(found)
    array, given, _ = label_layer(label_map, found.grid, display_like(image, range(3)), "mask")
    labels = Labels(array, **given)
    labels.data_setitem((np.array([1]), np.array([2]), np.array([3])), 200)
    full = labels.as_layer_data_tuple()
    target = tmp_path / "mask.nii.gz"
    assert write_labels_layer(str(target), full[0], full[1]) == [str(target)]
    written = nibabel.load(target)
    expected = found.volume.source.to_source(np.asarray(labels.data))
    assert np.array_equal(np.asarray(written.dataobj), expected)
    assert np.count_nonzero(expected == 200) == 1
    assert np.allclose(written.affine, nibabel.load(path).affine, atol=1e-5)


def test_a_mask_from_napari_nifti_goes_back_where_it_was(make_file, tmp_path):
    path = make_file(file_affine((0, 2, 1), (1, -1, 1)))
    image = like_napari_nifti(path, with_path=False)
    labels = Labels(
        (np.asarray(image.data) > 100).astype(np.uint8),
        scale=image.scale,
        translate=image.translate,
        metadata=dict(image.metadata),
    )
    full = labels.as_layer_data_tuple()
    write_labels_layer(str(tmp_path / "m.nii.gz"), full[0], full[1])
    canonical = nibabel.as_closest_canonical(nibabel.load(path))
    written = nibabel.load(tmp_path / "m.nii.gz")
    assert np.allclose(written.affine, canonical.affine, atol=1e-5)
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(canonical.dataobj) > 100)


def test_a_mask_that_could_come_out_mirrored_is_not_saved(tmp_path):
    labels = Labels(np.ones(SHAPE, dtype=np.uint8), scale=(2, 2, 2), units=("mm",) * 3)
    full = labels.as_layer_data_tuple()
    with pytest.raises(OutputError, match="side is left") as caught:
        write_labels_layer(str(tmp_path / "m.nii.gz"), full[0], full[1])
    assert "Segment dock" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_image_of_no_segmentation_is_not_saved_as_a_map(tmp_path):
    full = Image(np.zeros(SHAPE)).as_layer_data_tuple()
    with pytest.raises(OutputError, match="no probability"):
        write_map_layer(str(tmp_path / "m.nii.gz"), full[0], full[1])


def test_values_beyond_a_byte_are_not_saved(make_file, tmp_path):
    ((data, settings, _),) = read_layers(str(make_file(file_affine())))
    image = Image(data, **settings)
    found = volume_from_layer(take_snapshot(image))
    array, given, _ = label_layer(mask_of(found), found.grid, display_like(image, range(3)), "mask")
    full = Labels(array.astype(np.int32) * 300, **given).as_layer_data_tuple()
    with pytest.raises(MaskError, match="0 to 255"):
        write_labels_layer(str(tmp_path / "m.nii.gz"), full[0], full[1])


@pytest.mark.parametrize(
    ("sample", "preset", "n_images"), [(brain, "brain-t1", 1), (heart, "cardiac", 3), (glioma, "glioma", 4)]
)
def test_samples_open_with_their_preset(sample, preset, n_images):
    layers = [Layer.create(*layer) for layer in sample()]
    images = [layer for layer in layers if isinstance(layer, Image)]
    assert len(images) == n_images
    assert {preset_of(layer.metadata) for layer in images} == {preset}
    for layer in images:
        assert volume_from_layer(take_snapshot(layer)).volume.channels != ("",)


def test_the_manifest_is_found_and_every_command_in_it_can_be_imported():
    manifest = npe2.PluginManifest.from_file(Path(__file__).parents[2] / "src" / "napari_gmmseg" / "napari.yaml")
    manifest.validate_imports()
    assert manifest.display_name == "GMM Segmentation"


def test_the_plugin_brings_neither_qt_nor_torch_along():
    import subprocess
    import sys

    program = (
        "import sys, pkgutil, importlib, napari_gmmseg.plugin as p;"
        "[importlib.import_module(f'{p.__name__}.{m.name}') for m in pkgutil.iter_modules(p.__path__)];"
        "print([m for m in ('napari', 'qtpy', 'PyQt6', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_napari_opens_and_saves_through_the_manifest(make_file, tmp_path):
    from napari.components import ViewerModel
    from npe2 import PluginManager

    PluginManager.instance().discover()  # as napari does when its window opens
    path = make_file(file_affine((2, 0, 1), (1, -1, 1)))
    viewer = ViewerModel()
    (image,) = viewer.open(str(path), plugin="napari-gmmseg")
    found = volume_from_layer(take_snapshot(image))
    data, settings, _ = label_layer(mask_of(found), found.grid, display_like(image, range(3)), "mask")
    labels = viewer.add_labels(data, **settings)
    target = tmp_path / "mask.nii.gz"
    assert labels.save(str(target), plugin="napari-gmmseg") == [str(target)]
    written, source = nibabel.load(target), nibabel.load(path)
    assert np.allclose(written.affine, source.affine, atol=1e-5)
    assert np.array_equal(np.asarray(written.dataobj), (np.asarray(source.dataobj) > 100) + 1)
