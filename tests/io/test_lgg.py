"""Folders of the LGG data: what is read, and what is left out and counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_gmmseg.errors import InputError
from napari_gmmseg.io.case_lists import read_cases
from napari_gmmseg.io.lgg import CHANNELS, read_lgg
from napari_gmmseg.volumes import CaseSet

PATIENTS = ("TCGA_AA_0001_20010101", "TCGA_AA_0001_20020202", "TCGA_BB_0002_20030303")
REAL = Path(__file__).parents[3] / "shared" / "data" / "lgg_dev"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two patients, one of them twice, four slices each."""
    for seed, name in enumerate(PATIENTS):
        rng = np.random.default_rng(seed)
        (tmp_path / name).mkdir()
        for number in range(1, 5):
            image = rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)
            mask = np.zeros((24, 20), np.uint8)
            mask[5 : 5 + number, 5:9] = 255
            tifffile.imwrite(tmp_path / name / f"{name}_{number}.tif", image)
            tifffile.imwrite(tmp_path / name / f"{name}_{number}_mask.tif", mask)
    (tmp_path / "data.csv").write_text(
        "Patient,RNASeqCluster,age_at_initial_pathologic,death01\nTCGA_AA_0001,2,,0\nTCGA_BB_0002,3,44,1\n"
    )
    return tmp_path


def told(cases: CaseSet) -> dict[str, str]:
    return {finding.code: finding.message for finding in cases.findings}


def test_a_folder_is_read_patient_by_patient_slice_by_slice(folder: Path):
    cases = read_lgg(folder)
    assert [case.name for case in cases.cases] == list(PATIENTS)
    assert [case.patient for case in cases.cases] == ["TCGA_AA_0001", "TCGA_AA_0001", "TCGA_BB_0002"]
    first = cases.cases[0]
    assert first.channels == CHANNELS == ("t1", "flair", "t1gd")
    assert first.image.shape == (3, 4, 24, 20)
    assert first.image.dtype == np.uint8
    assert first.positions == (0, 1 / 3, 2 / 3, 1)
    assert first.labels.sum(axis=(1, 2)).tolist() == [4, 8, 12, 16]
    picture = tifffile.imread(folder / PATIENTS[0] / f"{PATIENTS[0]}_3.tif")
    np.testing.assert_array_equal(first.image[:, 2], picture.transpose(2, 0, 1))
    assert not cases.findings


def test_attributes_come_from_the_table_and_gaps_stay_gaps(folder: Path):
    cases = read_lgg(folder)
    assert cases.cases[0].attributes == {"RNASeqCluster": "2", "death01": "0"}
    assert cases.cases[2].attributes["age_at_initial_pathologic"] == "44"


def test_slices_are_in_the_order_of_their_numbers_and_gaps_keep_their_place(folder: Path):
    place = folder / PATIENTS[0]
    for suffix in (".tif", "_mask.tif"):
        shutil.move(place / f"{PATIENTS[0]}_4{suffix}", place / f"{PATIENTS[0]}_11{suffix}")
    first = read_lgg(folder).cases[0]
    assert first.positions == (0, 0.1, 0.2, 1)
    assert first.labels[3].sum() == 16


def test_a_damaged_slice_is_left_out_and_counted(folder: Path):
    (folder / PATIENTS[0] / f"{PATIENTS[0]}_2.tif").write_bytes(b"II*\x00broken")
    (folder / PATIENTS[2] / f"{PATIENTS[2]}_1_mask.tif").write_bytes(b"")
    cases = read_lgg(folder)
    assert cases.cases[0].image.shape[1] == 3
    assert cases.cases[0].positions == (0, 2 / 3, 1)
    assert cases.cases[2].image.shape[1] == 3
    assert told(cases)["damaged-slices"].startswith("2 slices cannot be read")
    assert f"{PATIENTS[0]}_2.tif" in told(cases)["damaged-slices"]


def test_a_slice_without_its_mask_is_left_out_and_counted(folder: Path):
    (folder / PATIENTS[1] / f"{PATIENTS[1]}_1_mask.tif").unlink()
    cases = read_lgg(folder)
    assert cases.cases[1].labels.sum(axis=(1, 2)).tolist() == [8, 12, 16]
    assert told(cases)["slices-without-mask"].startswith("1 slices have no mask")


def test_a_mask_without_its_slice_is_left_out_and_counted(folder: Path):
    (folder / PATIENTS[1] / f"{PATIENTS[1]}_4.tif").unlink()
    assert told(read_lgg(folder))["masks-without-slice"].startswith("1 masks have no slice")


def test_a_slice_of_another_size_is_left_out_and_counted(folder: Path):
    tifffile.imwrite(folder / PATIENTS[0] / f"{PATIENTS[0]}_3.tif", np.zeros((9, 9, 3), np.uint8))
    cases = read_lgg(folder)
    assert cases.cases[0].image.shape[1] == 3
    assert told(cases)["slices-of-other-size"].startswith("1 slices")


def test_a_patient_who_is_not_in_the_table_is_one_of_whom_nothing_is_known(folder: Path):
    (folder / "data.csv").write_text("Patient,RNASeqCluster\nTCGA_AA_0001,2\n")
    cases = read_lgg(folder)
    assert cases.cases[2].attributes == {}
    assert told(cases)["patients-without-row"].startswith("1 patients are not in data.csv")
    (folder / "data.csv").unlink()
    assert told(read_lgg(folder))["patients-without-row"].startswith("3 patients")


def test_a_table_without_patients_is_refused(folder: Path):
    (folder / "data.csv").write_text("RNASeqCluster\n2\n")
    with pytest.raises(InputError, match="no column Patient"):
        read_lgg(folder)


def test_a_folder_without_anything_usable_is_refused(folder: Path, tmp_path: Path):
    for path in folder.glob("*/*.tif"):
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="holds no slice with its mask"):
        read_lgg(folder)
    with pytest.raises(InputError, match="There is no folder"):
        read_lgg(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="not laid out like the LGG data"):
        read_cases(tmp_path / "empty")


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="the LGG slices are not beside the checkout")
def test_the_real_folder_is_read_whole():
    cases = read_cases(REAL)
    assert [case.image.shape[1] for case in cases.cases] == [23, 20, 26, 24, 26, 21]
    assert all(len(case.attributes) > 10 for case in cases.cases)
    assert not cases.findings
