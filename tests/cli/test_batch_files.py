"""A batch overwrites nothing that it did not write, and nothing that a person corrected."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from .conftest import Outcome, intensities, save, tissues

Run = Callable[..., Outcome]
QUICK = ("--method", "gmm")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of two brains beside it."""
    for name in ("a", "b"):
        save(tmp_path / f"{name}.nii.gz", intensities(tissues(), ord(name)))
    path = tmp_path / "cases.csv"
    path.write_text("case,t1\na,a.nii.gz\nb,b.nii.gz\n")
    return path


def table(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_list_that_the_table_would_replace_is_refused(run: Run, listed: Path) -> None:
    own = listed.rename(listed.with_name("results.csv"))
    before = contents(own.parent)
    outcome = run("batch", own, "-o", own.parent, *QUICK)
    assert outcome.code == 2
    assert "one of the inputs" in outcome.err
    assert "another folder" in outcome.err
    assert contents(own.parent) == before


def test_a_given_mask_that_a_result_would_replace_is_refused(run: Run, listed: Path) -> None:
    for name in ("a", "b"):
        save(listed.with_name(f"{name}_dseg.nii.gz"), (tissues() > 0).astype(np.uint8))
    before = contents(listed.parent)
    outcome = run("batch", listed, "-o", listed.parent, *QUICK, "--mask", "{stem}_dseg.nii.gz")
    assert outcome.code == 2
    assert "one of the inputs" in outcome.err
    assert contents(listed.parent) == before


def test_a_table_of_another_origin_is_refused(run: Run, listed: Path) -> None:
    out = listed.parent / "out"
    out.mkdir()
    (out / "results.csv").write_text("who,what\n")
    assert "no batch wrote it" in run("batch", listed, "-o", out, *QUICK).err
    assert contents(out) == {"results.csv": b"who,what\n"}
