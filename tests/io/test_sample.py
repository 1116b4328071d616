"""The sample data that ships."""

import hashlib

import nibabel as nib
import numpy as np
import pytest

from napari_gmmseg.config.presets import PRESETS
from napari_gmmseg.errors import InputError
from napari_gmmseg.io import read_mask, sample
from napari_gmmseg.io.phantom_glioma import CLASSES as GLIOMA_CLASSES
from napari_gmmseg.io.phantom_glioma import glioma_phantom
from napari_gmmseg.io.phantom_heart import CLASSES as HEART_CLASSES
from napari_gmmseg.io.phantom_heart import heart_phantom
from napari_gmmseg.io.sample import (
    SAMPLES,
    load_sample,
    load_sample_attributes,
    load_sample_labels,
    load_sample_maps,
    load_sample_mask,
    sample_files,
    sample_folder,
    sample_path,
)


def test_files_are_what_their_checksums_say():
    folder = sample_folder()
    recorded = dict(line.split()[::-1] for line in (folder / "checksums.sha256").read_text().splitlines())
    data = {p.name for p in folder.iterdir() if p.name.endswith((".nii.gz", ".tsv", ".json", ".safetensors"))}
    assert set(recorded) == data
    for name, checksum in recorded.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum, name


def test_the_folder_is_small_and_its_gzip_headers_hold_no_time_or_name():
    files = list(sample_folder().glob("*.nii.gz"))
    assert sum(f.stat().st_size for f in files) < 6e6
    for file in files:
        head = file.read_bytes()[:10]
        assert head[3] == 0, "a file name in the header"
        assert head[4:8] == b"\0\0\0\0", "a time in the header"


def test_the_notice_of_the_template_is_kept():
    text = " ".join((sample_folder() / "README.md").read_text().replace(">", " ").split())
    assert "Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre" in text
    assert "provided that the above copyright notice appear in all copies" in text


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_image_and_truth_of_a_case_share_a_grid_and_their_names(name):
    volume, truth = load_sample(name), load_sample_labels(name)
    assert volume.channels == SAMPLES[name]
    assert volume.geometry.same_grid(truth.geometry)
    assert volume.source is not None
    assert volume.source.paths == sample_files(name)
    assert np.isfinite(volume.data).all()
    assert min(truth.counts().values()) > 0
    expected = {"brain": PRESETS["brain-t1"].classes, "heart": HEART_CLASSES, "glioma": GLIOMA_CLASSES}[name]
    assert [c.name for c in truth.classes] == [c.name for c in expected]
    assert truth.classes.values == expected.values


@pytest.mark.parametrize("name", ["brain", "glioma"])
def test_brains_have_a_zero_background_so_that_the_mask_needs_no_setting(name):
    volume, mask = load_sample(name), load_sample_mask(name)
    for channel in volume.data:
        assert np.array_equal(channel > 0, mask)


def test_the_brain_lies_in_mni_space_at_two_millimetres():
    geometry = load_sample("brain").geometry
    assert geometry.spacing == (2.0, 2.0, 2.0)
    header = nib.load(sample_path("brain")).header
    assert int(header["sform_code"]) == 4
    assert header.get_xyzt_units()[0] == "mm"
    mask = load_sample_mask("brain")
    # The anterior commissure, the origin of the space, lies inside; the middle of the brain is at x = 0.
    origin = np.linalg.inv(geometry.affine) @ [0, 0, 0, 1.0]
    assert mask[tuple(np.rint(origin[:3]).astype(int))]
    assert geometry.affine[2] @ [*np.argwhere(mask).mean(axis=0), 1.0] == pytest.approx(0, abs=1)
    assert mask.sum() * geometry.voxel_volume_ml == pytest.approx(1883, rel=0.02)


def test_probability_maps_sum_to_one_in_the_brain_and_their_largest_is_the_truth():
    maps, labels, mask = load_sample_maps(), load_sample_labels().labels, load_sample_mask()
    assert maps.channels == ("csf", "gm", "wm")
    np.testing.assert_allclose(maps.data.sum(axis=0)[mask], 1, atol=1e-5)
    assert not maps.data[:, ~mask].any()
    assert np.array_equal(maps.data.argmax(axis=0)[mask] + 1, labels[mask])


def test_t1_intensity_rises_from_csf_to_white_matter():
    t1, labels = load_sample().data[0], load_sample_labels().labels
    means = [t1[labels == k].mean() for k in (1, 2, 3)]
    assert means == sorted(means)


def test_the_heart_mask_is_the_labelled_ventricle():
    volume = load_sample("heart")
    assert np.array_equal(read_mask(sample_path("heart_mask.nii.gz"), volume), load_sample_mask("heart"))


@pytest.mark.parametrize(("name", "make"), [("heart", heart_phantom), ("glioma", glioma_phantom)])
def test_generated_cases_are_what_their_seed_gives(name, make):
    phantom = make(0)
    volume = load_sample(name)
    # Sums may round differently with other versions of numpy and scipy: half an intensity step beside rounding itself.
    assert np.abs(volume.data - phantom.volume.data).max() <= 1
    assert (load_sample_labels(name).labels != phantom.truth.labels).mean() < 1e-4
    assert volume.geometry.spacing == phantom.volume.geometry.spacing
    assert load_sample_attributes(name) == dict(phantom.attributes)


def test_an_unknown_case_or_file_is_refused_with_a_choice():
    with pytest.raises(InputError, match="brain, heart, glioma"):
        load_sample("liver")
    with pytest.raises(InputError, match=r"brain_t1\.nii\.gz"):
        sample_path("../README.md")
    with pytest.raises(InputError, match="There is no sample"):
        load_sample_attributes("brain")


def test_the_package_folder_comes_before_the_checkout(tmp_path, monkeypatch):
    package = tmp_path / "src" / "napari_gmmseg"
    (package / "io").mkdir(parents=True)
    monkeypatch.setattr(sample, "__file__", str(package / "io" / "sample.py"))
    with pytest.raises(InputError, match="sample data was not found") as caught:
        sample_folder()
    assert "pip install" in caught.value.hint
    for folder in (tmp_path / "sample_data", package / "sample_data"):
        folder.mkdir()
        (folder / "brain_t1.nii.gz").touch()
        assert sample_folder() == folder
