"""Images of several files: all of them are what a path stands for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from napari_gmmseg.io.case_files import list_cases
from napari_gmmseg.io.sniffing import members_of


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_a_header_stands_for_the_voxels_that_it_names(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), np.uint8)), str(path))
    written = set(tmp_path.iterdir())
    assert len(written) == 2
    assert set(members_of(path)) == written


@pytest.mark.parametrize(
    ("name", "text", "others"),
    [
        ("a.mhd", "NDims = 3\nElementDataFile = LOCAL\n\0\0", []),
        ("a.mhd", "NDims = 3\r\nElementDataFile = b c.raw\r\n", ["b c.raw"]),
        ("a.mhd", "ElementDataFile = LIST 2\nx.raw\ny.raw\n", ["x.raw", "y.raw"]),
        ("a.mhd", "ElementDataFile = s%03d.raw 1 5 2\n", ["s001.raw", "s003.raw", "s005.raw"]),
        ("a.nhdr", "NRRD0004\n# data file: no\ndata file: b.raw.gz\n", ["b.raw.gz"]),
        ("a.nhdr", "NRRD0004\ndatafile: LIST\nx.raw\n", ["x.raw"]),
        ("a.nhdr", "NRRD0004\n", []),
    ],
)
def test_names_in_a_header(tmp_path: Path, name: str, text: str, others: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert members_of(path) == (path, *(tmp_path / other for other in others))


def test_a_header_that_is_not_there_stands_for_itself(tmp_path: Path) -> None:
    assert members_of(tmp_path / "a.nhdr") == (tmp_path / "a.nhdr",)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_pair_is_both_its_files_and_one_case(tmp_path: Path, end: str) -> None:
    pair = tmp_path / f"a.img{end}", tmp_path / f"a.hdr{end}"
    for path in pair:
        path.write_bytes(b"0")
        assert members_of(path) == pair
    assert [case.images for case in list_cases(tmp_path)] == [pair[:1]]
