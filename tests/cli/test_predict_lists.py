"""`napari-gmmseg predict --cases`."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from .conftest import save
from .test_train import QUICK, Run, scan


def listed(folder: Path, *rows: str, head: str = "case,flair,RNASeqCluster") -> Path:
    path = folder / "new.csv"
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    return path


@pytest.fixture
def model(run: Run, tmp_path: Path) -> Path:
    """A network of two epochs, beside the four cases that it is trained on."""
    rows = ["case,flair,label,RNASeqCluster"]
    for seed in range(4):
        image, labels = scan(seed)
        save(tmp_path / f"{seed}_flair.nii.gz", image)
        save(tmp_path / f"{seed}_seg.nii.gz", labels)
        rows.append(f"p{seed},{seed}_flair.nii.gz,{seed}_seg.nii.gz,{seed % 2 + 1}")
    path, cases = tmp_path / "m.safetensors", tmp_path / "cases.csv"
    cases.write_text("\n".join(rows), encoding="utf-8")
    assert run("train", cases, "-o", path, *QUICK).code == 0
    return path


def test_a_list_gives_a_mask_for_each_case_and_a_bad_one_stops_no_other(run: Run, model: Path, tmp_path: Path):
    save(tmp_path / "time.nii.gz", np.zeros((6, 5, 4, 3), np.int16))
    rows = ("a,0_flair.nii.gz,2", "b,gone.nii.gz,", "c,time.nii.gz,1", "d,,1", "e,3_flair.nii.gz,")
    folder = tmp_path / "deep" / "masks"
    told = run("predict", "--cases", listed(tmp_path, *rows), "--model", model, "-o", folder, "--json")
    assert told.code == 1, told.err
    assert (told.data["predicted"], told.data["failed"]) == (2, 3)
    assert [case["case"] for case in told.data["cases"] if case["mask"] is None] == ["b", "c", "d"]
    assert all(case["error"] and case["hint"] for case in told.data["cases"] if case["mask"] is None)
    assert {path.name for path in folder.iterdir() if path.suffix == ".gz"} == {"a.nii.gz", "e.nii.gz"}
    assert "2/5 b: Error: " in told.err
    single = tmp_path / "single.nii.gz"
    arguments = ("--model", model, "-o", single, "--attribute", "RNASeqCluster=2")
    assert run("predict", tmp_path / "0_flair.nii.gz", *arguments).code == 0
    np.testing.assert_array_equal(
        np.asarray(nibabel.load(folder / "a.nii.gz").dataobj), np.asarray(nibabel.load(single).dataobj)
    )
    shown = run("predict", "--cases", listed(tmp_path, *rows), "--model", model, "-o", folder)
    assert shown.code == 1
    assert "2 of 5 cases predicted, 3 failed" in " ".join(shown.out.split())


def test_a_list_may_hold_more_channels_than_the_model_takes(run: Run, model: Path, tmp_path: Path):
    path = listed(tmp_path, "a,gone.nii.gz,0_flair.nii.gz,0_seg.nii.gz", head="case,t1,flair,label")
    told = run("predict", "--cases", path, "--model", model, "-o", tmp_path / "masks", "--json")
    assert told.code == 0, told.err
    assert told.data["predicted"] == 1


@pytest.mark.parametrize(
    ("rows", "extra", "words"),
    [
        (("a,0_flair.nii.gz,", "A,1_flair.nii.gz,"), (), "twice"),
        (("../a,0_flair.nii.gz,",), (), "cannot be the name of a file"),
        (("a,gone.nii.gz,",), (), "None of 1 cases"),
        (("a,0_flair.nii.gz,",), ("--uncertainty", "u.nii.gz"), "Without meaning beside --cases: --uncertainty"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(run: Run, model: Path, tmp_path: Path, rows, extra, words):
    path = listed(tmp_path, *rows)
    told = run("predict", "--cases", path, "--model", model, "-o", tmp_path / "masks", *extra)
    assert told.code == 2
    assert words in told.err
    assert not list(tmp_path.glob("masks/*.nii.gz"))


def test_no_mask_of_a_list_overwrites_its_images(run: Run, model: Path, tmp_path: Path):
    before = (tmp_path / "0_flair.nii.gz").read_bytes()
    told = run("predict", "--cases", listed(tmp_path, "0_flair,0_flair.nii.gz,"), "--model", model, "-o", tmp_path)
    assert told.code == 2
    assert "would overwrite an image" in told.err
    assert (tmp_path / "0_flair.nii.gz").read_bytes() == before


@pytest.mark.parametrize(
    ("case", "label", "output", "words"),
    [
        ("p1", "masks/p1.nii.gz", "masks", "would overwrite a label"),
        ("p1", "masks/p1_dseg.nii.gz", "masks", "would overwrite a label"),
        ("p1", "", "masks", "would overwrite the list"),
        ("p2", "", "masks", "would overwrite the model"),
    ],
)
def test_no_mask_of_a_list_overwrites_labels_the_list_or_the_model(
    run: Run, model: Path, tmp_path: Path, case, label, output, words
):
    folder = tmp_path / output
    folder.mkdir()
    cases = folder / "p1_labels.txt" if "list" in words else tmp_path / "new.csv"
    cases.write_text(
        f"case,flair,label\n{case},{tmp_path / '0_flair.nii.gz'},{label and tmp_path / label}", encoding="utf-8"
    )
    if label:
        save(tmp_path / label, scan(0)[1])
        (folder / "p1_dseg.tsv").write_text("index\tname\n1\tby an expert\n", encoding="utf-8")
    network = model.rename(folder / "p2_labels.txt") if "model" in words else model
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = run("predict", "--cases", cases, "--model", network, "-o", folder)
    assert told.code == 2
    assert words in told.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
