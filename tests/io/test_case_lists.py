"""Lists of cases: which column is what, and what is wrong with a row."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_gmmseg.errors import GeometryError, InputError
from napari_gmmseg.io.case_files import list_cases
from napari_gmmseg.io.case_lists import read_cases

HEAD = "case,patient,split,t1,flair,label,age,note"


def save(path: Path, shape: tuple[int, ...] = (8, 7, 3), spacing: float = 1.0, labels: bool = False) -> None:
    rng = np.random.default_rng(len(path.name))
    data = np.zeros(shape, np.uint8) if labels else rng.integers(1, 900, shape).astype(np.int16)
    if labels:
        data[2:5, 2:4, 1] = 3
    nibabel.save(nibabel.Nifti1Image(data, np.diag([spacing, spacing, 2.0, 1.0])), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        save(tmp_path / f"{name}_t1.nii.gz")
        save(tmp_path / f"{name}_flair.nii.gz")
        save(tmp_path / f"{name}_seg.nii.gz", labels=True)
    return tmp_path


def listed(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "cases.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


A = "a,p1,train,a_t1.nii.gz,a_flair.nii.gz,a_seg.nii.gz,33,x"
B = ",,validation,b_t1.nii.gz,b_flair.nii.gz,b_seg.nii.gz,,y"


def test_a_list_is_read_row_by_row(folder: Path):
    cases = read_cases(listed(folder, A, "", B))
    first, second = cases.cases
    assert (first.name, first.patient, first.part) == ("a", "p1", "train")
    assert first.channels == ("t1", "flair")
    assert first.image.shape == (2, 3, 7, 8)
    assert first.attributes == {"age": "33", "note": "x"}
    assert (second.name, second.patient, second.part) == ("cases-002", "cases-002", "validation")
    assert second.attributes == {"note": "y"}
    assert cases.classes.values == (3,)
    assert int((first.labels == 3).sum()) == 6


def test_a_case_may_have_no_labels_and_that_is_counted(folder: Path):
    cases = read_cases(listed(folder, A, "b,p2,,b_t1.nii.gz,b_flair.nii.gz,,,"))
    assert cases.cases[1].labels is None
    assert "1 of 2 cases have no labels" in cases.findings[0].message


@pytest.mark.parametrize(
    "head", ["Case,PATIENT,Split,T1,FLAIR,Label,age,note", "case,patient,split,t1w,t2f,label,age,note"]
)
def test_capitals_and_other_names_of_contrasts_do_not_matter(folder: Path, head: str):
    case = read_cases(listed(folder, A, head=head)).cases[0]
    assert (case.name, case.patient, case.part, case.channels) == ("a", "p1", "train", ("t1", "flair"))
    assert case.attributes == {"age": "33", "note": "x"}


def test_the_post_contrast_image_of_brats_is_a_channel(folder: Path):
    case = read_cases(listed(folder, A, head=HEAD.replace("t1", "t1ce"))).cases[0]
    assert case.channels == ("t1gd", "flair")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (HEAD.replace("patient", "patient_id"), "column patient_id, and none called patient"),
        (HEAD.replace("patient", "Subject"), "column Subject, and none called patient"),
        (HEAD.replace("split", "fold"), "column fold, and none called split"),
        (HEAD.replace("flair", "swi"), "swi names files, such as a_flair.nii.gz"),
        (HEAD.replace("note", "FLAIR"), "flair twice: flair, FLAIR"),
    ],
)
def test_a_column_that_seems_to_be_another_is_refused(folder: Path, head: str, words: str):
    with pytest.raises(InputError, match=words) as caught:
        read_cases(listed(folder, A, head=head))
    assert caught.value.hint


def test_it_is_told_whose_cases_were_read_and_what_is_an_attribute(folder: Path):
    (told,) = read_cases(listed(folder, A, B.replace(",,validation", ",p1,train"))).findings
    assert told.message == "2 cases of 1 patient; split: 2 train, 0 validation, 0 test; attributes: age, note."
    assert told.severity == "note"


def test_attributes_may_begin_like_a_patient(folder: Path):
    case = read_cases(listed(folder, A, head=HEAD.replace("note", "patient_weight"))).cases[0]
    assert case.attributes == {"age": "33", "patient_weight": "x"}


def test_images_of_no_known_contrast_are_numbered(folder: Path):
    cases = read_cases(listed(folder, "a_t1.nii.gz,a_flair.nii.gz,a_seg.nii.gz", head="image,image2,label"))
    assert cases.cases[0].channels == ("", "")


@pytest.mark.parametrize(
    ("rows", "head", "words"),
    [
        ((A.replace("a_t1", "nowhere"),), HEAD, r"row 2: There is no file .*nowhere"),
        ((A, B.replace("b_flair.nii.gz", "")), HEAD, "row 3: flair is empty"),
        ((A.replace("train", "training"),), HEAD, "row 2: split is 'training'"),
        ((A.replace("a_seg", "a_t1"),), HEAD, "row 2"),
        (("x",), "name", "none of them holds images"),
        (("a_t1.nii.gz",), "t1", "needs labels"),
        (("a_t1.nii.gz;a_seg.nii.gz",), "t1;label", "none of them holds images"),
        ((), HEAD, "lists no case"),
        ((A, A), HEAD, "Two cases are named 'a'"),
    ],
    ids=["missing", "empty", "split", "no labels", "columns", "no label column", "semicolons", "no rows", "twice"],
)
def test_what_is_wrong_is_told_with_its_row(folder: Path, rows: tuple[str, ...], head: str, words: str):
    with pytest.raises(InputError, match=words) as caught:
        read_cases(listed(folder, *rows, head=head))
    assert caught.value.hint


def test_another_grid_is_refused(folder: Path):
    save(folder / "a_seg.nii.gz", spacing=1.5, labels=True)
    with pytest.raises(GeometryError, match=r"row 2: .* the label"):
        read_cases(listed(folder, A))
    save(folder / "a_flair.nii.gz", shape=(8, 7, 4))
    with pytest.raises(GeometryError, match=r"row 2: .* a channel"):
        read_cases(listed(folder, A))


def test_a_list_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(InputError, match="There is no file"):
        read_cases(tmp_path / "cases.csv")


def test_a_list_that_is_no_text_is_told(tmp_path: Path):
    (tmp_path / "cases.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="cannot be read as a list of cases"):
        read_cases(tmp_path / "cases.csv")


def test_headings_of_a_list_to_segment_are_known_however_they_are_written(tmp_path: Path):
    path = tmp_path / "cases.csv"
    path.write_text("Case,T1ce,FLAIR,mask\na,a_1.nii.gz,a_2.nii.gz,none\n")
    (case,) = list_cases(path)
    assert (case.name, case.contrasts, case.mask) == ("a", ("t1gd", "flair"), "none")
    assert case.images == (tmp_path / "a_1.nii.gz", tmp_path / "a_2.nii.gz")
