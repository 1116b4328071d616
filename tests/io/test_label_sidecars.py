"""Names and colours beside masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_gmmseg.config import find_preset
from napari_gmmseg.errors import InputError
from napari_gmmseg.io import read_labels, write_labels
from napari_gmmseg.volumes import Geometry, LabelMap


@pytest.fixture
def brain() -> LabelMap:
    """A mask with the classes of a brain."""
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 4
    classes = find_preset("brain-t1").classes
    assert classes is not None
    return LabelMap(labels, Geometry.from_spacing((2, 3, 4), (2.0, 1.0, 1.0)), classes)


def test_the_bids_sidecar_names_colours_and_maps(tmp_path: Path, brain: LabelMap) -> None:
    write_labels(tmp_path / "case.nii.gz", brain)
    lines = (tmp_path / "case_dseg.tsv").read_text().splitlines()
    assert lines[0] == "index\tname\tabbreviation\tcolor\tmapping"
    assert lines[1] == "0\tBackground\tBG\t#000000\t0"
    assert [line.split("\t")[0] + line.split("\t")[-1] for line in lines[2:]] == ["13", "21", "32"]
    assert lines[2].split("\t")[1:4] == ["Cerebrospinal fluid", "CSF", "#56b4e9"]


def test_the_itk_snap_file_has_a_line_a_label(tmp_path: Path, brain: LabelMap) -> None:
    write_labels(tmp_path / "case.nii.gz", brain)
    lines = [
        line for line in (tmp_path / "case_labels.txt").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert [line.split()[0] for line in lines] == ["0", "1", "2", "3"]
    assert lines[3].split(maxsplit=7) == ["3", "0", "158", "115", "1", "1", "1", '"White matter"']


def test_a_bids_name_keeps_its_suffix(tmp_path: Path, brain: LabelMap) -> None:
    write_labels(tmp_path / "sub-01_dseg.nii.gz", brain)
    assert (tmp_path / "sub-01_dseg.tsv").is_file()


def test_sidecars_can_be_left_out(tmp_path: Path, brain: LabelMap) -> None:
    write_labels(tmp_path / "case.nii", brain, sidecars=False)
    assert [p.name for p in tmp_path.iterdir()] == ["case.nii"]


def test_classes_come_back_with_role_and_ranks(tmp_path: Path, brain: LabelMap) -> None:
    again = read_labels(write_labels(tmp_path / "case.nii", brain))
    assert [(c.value, c.name, c.abbreviation, c.role, c.ranks) for c in again.classes] == [
        (c.value, c.name, c.abbreviation, c.role, c.ranks) for c in brain.classes
    ]
    colours = [(a.colour, b.colour) for a, b in zip(again.classes, brain.classes, strict=True)]
    assert all(np.allclose(a, b, atol=1 / 255) for a, b in colours)


def test_a_foreign_sidecar_gives_roles_by_its_mapping(tmp_path: Path, brain: LabelMap) -> None:
    path = write_labels(tmp_path / "case.nii", brain)
    (tmp_path / "case_dseg.tsv").write_text("index\tname\tmapping\n1\tLiquor\t3\n2\tCortex\t1\n")
    classes = read_labels(path).classes
    assert [(c.value, c.name, c.role) for c in classes] == [
        (1, "Liquor", "csf"),
        (2, "Cortex", "gm"),
        (3, "Class 3", ""),
    ]


def test_without_a_sidecar_classes_are_numbered(tmp_path: Path, brain: LabelMap) -> None:
    labels = np.where(brain.labels == 2, 200, brain.labels).astype(np.uint8)
    path = write_labels(tmp_path / "case.nii", replace(brain, labels=labels), sidecars=False)
    assert [(c.value, c.name) for c in read_labels(path).classes] == [
        (1, "Class 1"),
        (3, "Class 3"),
        (200, "Class 200"),
    ]


@pytest.mark.parametrize("text", ["nothing of the kind\n1\n", "index\tname\nfirst\tA\n", "\xff"])
def test_a_broken_sidecar_is_told(tmp_path: Path, brain: LabelMap, text: str) -> None:
    path = write_labels(tmp_path / "case.nii", brain)
    (tmp_path / "case_dseg.tsv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"case_dseg\.tsv is no table"):
        read_labels(path)


def test_a_mask_without_any_label_is_read(tmp_path: Path, brain: LabelMap) -> None:
    empty = replace(brain, labels=np.zeros_like(brain.labels))
    again = read_labels(write_labels(tmp_path / "case.nii", empty, sidecars=False))
    assert len(again.classes) == 0
    assert not again.labels.any()
