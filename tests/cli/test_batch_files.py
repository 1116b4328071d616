"""A batch overwrites nothing that it did not write, and nothing that a person corrected."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def test_a_file_that_no_batch_wrote_is_that_cases_failure_and_stays(run: Run, listed: Path) -> None:
    out = listed.parent / "out"
    out.mkdir()
    (out / "a.json").write_text('{"MagneticFieldStrength": 3}')
    (out / "b_dseg.nii.gz").write_bytes(b"a person's")
    outcome = run("batch", listed, "-o", out, *QUICK)
    assert outcome.code == 1
    a, b = table(out)
    assert (a["status"], b["status"]) == ("failed", "failed")
    assert "a.json, which no batch wrote" in a["reason"]
    assert "b_dseg.nii.gz, which no batch wrote" in b["reason"]
    assert (out / "a.json").read_text() == '{"MagneticFieldStrength": 3}'
    assert (out / "b_dseg.nii.gz").read_bytes() == b"a person's"
    (out / "b_dseg.nii.gz").unlink()
    run("batch", listed, "-o", out, *QUICK)
    assert [row["status"] for row in table(out)] == ["failed", "done"]


@pytest.mark.parametrize("settings", [(), ("--seed", "1")])
def test_a_corrected_mask_is_kept_and_flagged(run: Run, listed: Path, settings: tuple[str, ...]) -> None:
    out = listed.parent / "out"
    assert run("batch", listed, "-o", out, *QUICK).code == 0
    corrected = save(out / "a_dseg.nii.gz", (tissues() > 1).astype(np.uint8)).read_bytes()
    outcome = run("batch", listed, "-o", out, *QUICK, *settings)
    assert outcome.code == 0
    assert "1 changed by hand" in outcome.out
    assert (out / "a_dseg.nii.gz").read_bytes() == corrected
    a, b = table(out)
    assert (a["status"], b["status"]) == ("edited", "done")
    assert a["volume_ml_hard_GM"] == ""
    assert "a_dseg.nii.gz was changed" in a["reason"]
    # Once more: what was kept stays kept.
    run("batch", listed, "-o", out, *QUICK, *settings)
    assert (out / "a_dseg.nii.gz").read_bytes() == corrected
    assert (
        run("batch", listed, "-o", out, *QUICK, *settings, "--overwrite-edited", "--json").data["counts"]["done_now"]
        == 1
    )
    assert (out / "a_dseg.nii.gz").read_bytes() != corrected
    assert table(out)[0]["volume_ml_hard_GM"] != ""


def test_what_was_killed_while_it_was_written_is_done_again(
    run: Run, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gmmseg.cli.batching import Records

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    out = listed.parent / "out"
    with monkeypatch.context() as patched:
        patched.setattr(Records, "keep", killed)
        assert run("batch", listed, "-o", out, *QUICK).code == 130
    assert (out / "a_dseg.nii.gz").exists()
    assert run("batch", listed, "-o", out, *QUICK).code == 0
    assert [row["status"] for row in table(out)] == ["done", "done"]
    assert not list(out.glob(".*"))


def test_a_mask_of_earlier_settings_is_told_where_the_case_fails(run: Run, listed: Path) -> None:
    out = listed.parent / "out"
    assert run("batch", listed, "-o", out, *QUICK).code == 0
    (listed.parent / "a.nii.gz").write_bytes(b"no image")
    for _ in range(2):
        assert run("batch", listed, "-o", out, *QUICK).code == 1
        assert "The mask there, a_dseg.nii.gz, is of earlier" in table(out)[0]["reason"]
    save(listed.parent / "a.nii.gz", intensities(tissues(), 9))
    assert run("batch", listed, "-o", out, *QUICK).code == 0


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_results_can_be_read_by_whom_the_mask_of_the_process_lets(run: Run, listed: Path) -> None:
    out = listed.parent / "new" / "out"
    before = os.umask(0o022)
    try:
        assert run("batch", listed, "-o", out, *QUICK).code == 0
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (out, out / "results.csv", out / "a.json")}
    assert modes == {"out": 0o755, "results.csv": 0o644, "a.json": 0o644}


def brains(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, intensities(tissues(), len(name)))
    return folder


def test_results_are_no_cases(run: Run, tmp_path: Path) -> None:
    images = brains(tmp_path / "images", "a", "sub/b")
    # Within the output folder, in a folder of another batch, and beside images where a list put them.
    (images / "sub" / "cases.csv").write_text("case,t1\nb,b.nii.gz\n")
    (images / "cases.csv").write_text("case,t1\na,a.nii.gz\n")
    assert run("batch", images / "cases.csv", "-o", images, *QUICK).code == 0
    assert run("batch", images / "sub" / "cases.csv", "-o", images / "old" / "er", *QUICK).code == 0
    assert run("batch", images / "sub" / "cases.csv", "-o", images / "sub", *QUICK).code == 0
    (images / "sub" / "results.csv").unlink()
    for _ in range(2):
        run("batch", images, "-o", images / "out", *QUICK)
        assert [row["case"] for row in table(images / "out")] == ["a", "sub"]
    assert [row["status"] for row in table(images / "out")] == ["done", "done"]
    assert run("batch", images, "-o", images / "deep", *QUICK, "--only", "*/*/*.nii.gz").code == 2
    assert run("batch", images, "-o", images / "out", *QUICK, "--only", "*/*_dseg.nii.gz").code == 2


def test_a_folder_that_cannot_be_read_is_a_case_that_failed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, listing = brains(tmp_path / "images", "a", "locked/b"), Path.iterdir

    def refused(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    assert run("batch", images, "-o", tmp_path / "out", *QUICK).code == 1
    a, locked = table(tmp_path / "out")
    assert (a["status"], locked["case"], locked["status"]) == ("done", "locked", "failed")
    assert "Permission denied" in locked["reason"]
    assert "right to read" in locked["hint"]


def test_a_name_too_long_for_a_file_is_cut_and_stays_unlike_others(run: Run, listed: Path) -> None:
    listed.write_text(f"case,t1\n{'x' * 252}a,a.nii.gz\n{'x' * 252}b,b.nii.gz\nb,b.nii.gz\n")
    out = listed.parent / "out"
    assert run("batch", listed, "-o", out, *QUICK, "--probabilities").code == 0
    names = [row["case"] for row in table(out)]
    assert len(set(names)) == 3
    assert max(map(len, names)) == 200


def test_voxels_in_a_second_file_count(run: Run, tmp_path: Path) -> None:
    import SimpleITK

    path, out = tmp_path / "images" / "a.mhd", tmp_path / "out"
    path.parent.mkdir()
    for seed in range(2):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(intensities(tissues(), seed)), str(path))
        assert run("batch", path.parent, "-o", out, *QUICK, "--json").data["counts"]["done_now"] == 1
    assert run("batch", path.parent, "-o", out, *QUICK, "--json").data["counts"]["done_now"] == 0


def test_one_target_that_will_not_do_stops_no_other_case(run: Run, listed: Path) -> None:
    out = listed.parent / "out"
    (out / "a_dseg.nii.gz").mkdir(parents=True)
    assert run("batch", listed, "-o", out, *QUICK).code == 1
    assert [row["status"] for row in table(out)] == ["failed", "done"]


def test_a_mask_that_is_corrected_while_the_batch_works_is_kept(
    run: Run, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gmmseg import api

    out, segment = listed.parent / "out", api.segment
    assert run("batch", listed, "-o", out, *QUICK).code == 0

    def slow(*given: Any, **settings: Any) -> Any:
        (out / "a_dseg.nii.gz").write_bytes(b"corrected")
        return segment(*given, **settings)

    monkeypatch.setattr("napari_gmmseg.api.segment", slow)
    for status in ("failed", "edited"):
        run("batch", listed, "-o", out, *QUICK, "--seed", "1")
        assert table(out)[0]["status"] == status
        assert (out / "a_dseg.nii.gz").read_bytes() == b"corrected"
