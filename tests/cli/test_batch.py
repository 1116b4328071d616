"""Many cases: resumed by content, a bad one apart, one table of all."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from .conftest import Outcome, intensities, save, tissues
from .warm_processes import WarmProcesses

Run = Callable[..., Outcome]
QUICK = ("--method", "gmm")
SLABS = Path(__file__).parents[3] / "shared" / "data" / "ptbp_dev"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three brains, one a file."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        save(images / f"sub-{number}_T1w.nii.gz", intensities(tissues(), number))
    return images


def table(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("*_dseg.nii.gz")}


def counts(outcome: Outcome) -> dict[str, Any]:
    found = outcome.data["counts"]
    assert isinstance(found, dict)
    return found


def test_each_image_of_a_folder_gets_a_mask_and_a_row_with_its_volumes(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    outcome = run("batch", folder, "-o", out, *QUICK)
    assert outcome.code == 0
    rows = table(out)
    assert [row["case"] for row in rows] == ["sub-0_T1w", "sub-1_T1w", "sub-2_T1w"]
    assert {row["status"] for row in rows} == {"done"}
    for row in rows:
        labels = np.asarray(nibabel.load(out / row["mask"]).dataobj)
        assert float(row["volume_ml_hard_GM"]) == pytest.approx((labels == 2).sum() * 3.0 / 1000, abs=5e-4)
        assert float(row["seconds"]) > 0
        told = json.loads((out / f"{row['case']}.json").read_text())
        assert [entry["abbreviation"] for entry in told["result"]["classes"]] == ["CSF", "GM", "WM"]


def test_fractions_are_written_too_and_the_table_says_what_soft_volumes_are_from(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("batch", folder, "-o", out, "--only", "sub-0*", "--fractions", "--method", "spatial").code == 0
    (row,) = table(out)
    assert row["soft_volumes_from"] == "mixed voxels"
    fractions = np.asarray(nibabel.load(out / "sub-0_T1w_fractions.nii.gz").dataobj)
    soft = [float(row[f"volume_ml_soft_{name}"]) for name in ("CSF", "GM", "WM")]
    np.testing.assert_allclose(soft, fractions.reshape(-1, 3).sum(axis=0, dtype=float) * 3e-3, rtol=1e-3)


def test_a_mask_is_the_one_that_segment_gives(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("batch", folder, "-o", tmp_path / "out", *QUICK).code == 0
    assert run("segment", folder / "sub-1_T1w.nii.gz", "-o", tmp_path / "m.nii.gz", *QUICK).code == 0
    alone, batch = (
        np.asarray(nibabel.load(path).dataobj)
        for path in (tmp_path / "m.nii.gz", tmp_path / "out" / "sub-1_T1w_dseg.nii.gz")
    )
    np.testing.assert_array_equal(alone, batch)


def test_what_is_done_is_not_done_again_unless_files_or_settings_change(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert counts(run("batch", folder, "-o", out, *QUICK, "--json"))["done_now"] == 3
    before = stamps(out)
    again = run("batch", folder, "-o", out, *QUICK, "--threads", "1", "--json")
    assert (counts(again)["done_now"], counts(again)["done_before"]) == (0, 3)
    assert stamps(out) == before
    save(folder / "sub-1_T1w.nii.gz", intensities(tissues(), 77))
    assert counts(run("batch", folder, "-o", out, *QUICK, "--json"))["done_now"] == 1
    assert [name for name, stamp in stamps(out).items() if stamp != before[name]] == ["sub-1_T1w_dseg.nii.gz"]
    assert counts(run("batch", folder, "-o", out, *QUICK, "--seed", "1", "--json"))["done_now"] == 3
    (out / "sub-0_T1w_dseg.nii.gz").unlink()
    assert counts(run("batch", folder, "-o", out, *QUICK, "--seed", "1", "--json"))["done_now"] == 1


def test_an_image_that_only_moved_is_the_same_image(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("batch", folder, "-o", out, *QUICK).code == 0
    folder.rename(tmp_path / "elsewhere")
    assert counts(run("batch", tmp_path / "elsewhere", "-o", out, *QUICK, "--json"))["done_now"] == 0


def test_a_bad_case_has_its_reason_and_stops_no_other(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "sub-0_T1w.nii.gz").write_bytes(b"no image")
    out = tmp_path / "out"
    outcome = run("batch", folder, "-o", out, *QUICK, "--json")
    assert outcome.code == 1
    assert counts(outcome) == {"cases": 3, "done": 2, "failed": 1, "edited": 0, "done_now": 2, "done_before": 0}
    bad, *good = table(out)
    assert (bad["status"], bad["mask"], bad["volume_ml_hard_GM"]) == ("failed", "", "")
    assert "sub-0_T1w.nii.gz" in bad["reason"]
    assert bad["hint"]
    assert {row["status"] for row in good} == {"done"}


def test_what_failed_is_tried_again_only_if_it_changed_or_was_asked_for(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub-0_T1w.nii.gz").write_bytes(b"no image")
    out = tmp_path / "out"
    run("batch", folder, "-o", out, *QUICK)
    assert "failed before" in run("batch", folder, "-o", out, *QUICK).err
    assert "failed: " in run("batch", folder, "-o", out, *QUICK, "--retry").err
    save(folder / "sub-0_T1w.nii.gz", intensities(tissues()))
    assert counts(run("batch", folder, "-o", out, *QUICK, "--json"))["done_now"] == 1


def test_what_the_machine_refused_is_tried_again(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("napari_gmmseg.api.segment", full)
        assert counts(run("batch", folder, "-o", out, *QUICK, "--json"))["failed"] == 3
    assert "memory" in table(out)[0]["reason"]
    assert counts(run("batch", folder, "-o", out, *QUICK, "--json"))["done_now"] == 3


def test_a_fault_of_the_program_in_one_case_stops_no_other(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gmmseg import api

    segment = api.segment

    def faulty(volume: Any, **settings: Any) -> Any:
        if "sub-1" in volume.source.paths[0].name:
            raise ZeroDivisionError("none")
        return segment(volume, **settings)

    monkeypatch.setattr("napari_gmmseg.api.segment", faulty)
    out = tmp_path / "out"
    outcome = run("batch", folder, "-o", out, *QUICK)
    assert outcome.code == 1
    assert [row["status"] for row in table(out)] == ["done", "failed", "done"]
    assert table(out)[1]["reason"] == "Unexpected: ZeroDivisionError: none"
    assert "faulty" in json.loads((out / "sub-1_T1w.json").read_text())["result"]["traceback"]


def test_an_interrupt_ends_the_batch_and_keeps_what_was_done(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gmmseg import api

    segment = api.segment

    def interrupted(volume: Any, **settings: Any) -> Any:
        if "sub-1" in volume.source.paths[0].name:
            raise KeyboardInterrupt
        return segment(volume, **settings)

    monkeypatch.setattr("napari_gmmseg.api.segment", interrupted)
    out = tmp_path / "out"
    outcome = run("batch", folder, "-o", out, *QUICK)
    assert outcome.code == 130
    assert "results.csv" in outcome.err.splitlines()[-1]
    assert [row["status"] for row in table(out)] == ["done", "waiting", "waiting"]


def test_a_list_tells_contrasts_masks_and_names(run: Run, folder: Path, tmp_path: Path) -> None:
    inside = (tissues() == 3).astype(np.uint8)
    save(tmp_path / "inside.nii.gz", inside)
    listed = tmp_path / "cases.csv"
    listed.write_text(
        "case,t1,flair,mask,age\n"
        "both,images/sub-0_T1w.nii.gz,images/sub-1_T1w.nii.gz,,3\n"
        "part,images/sub-2_T1w.nii.gz,,inside.nii.gz,4\n"
        "none,,,,5\n"
    )
    out = tmp_path / "out"
    outcome = run("batch", listed, "-o", out, *QUICK)
    assert outcome.code == 1
    both, part, none = table(out)
    assert json.loads((out / "both.json").read_text())["result"]["classes"][0]["means"].keys() == {"t1", "flair"}
    labels = np.asarray(nibabel.load(out / part["mask"]).dataobj)
    np.testing.assert_array_equal(labels > 0, inside > 0)
    assert "row 4 names no image" in none["reason"]
    assert both["status"] == "done"


def test_a_rule_finds_each_cases_mask_which_is_no_case_itself(run: Run, folder: Path, tmp_path: Path) -> None:
    for number in range(3):
        save(folder / f"sub-{number}_T1w_mask.nii.gz", (tissues() == number + 1).astype(np.uint8))
    out = tmp_path / "out"
    outcome = run("batch", folder, "-o", out, *QUICK, "--mask", "{folder}/{stem}_mask.nii.gz", "--json")
    assert outcome.code == 0
    assert counts(outcome)["cases"] == 3
    for number, row in enumerate(table(out)):
        labels = np.asarray(nibabel.load(out / row["mask"]).dataobj)
        np.testing.assert_array_equal(labels > 0, tissues() == number + 1)


def test_a_subfolder_is_a_case_if_its_names_tell_the_contrasts(run: Run, tmp_path: Path) -> None:
    for name, files in {"good": ("x_T1w", "x_FLAIR"), "bad": ("x_T1w", "strange"), "one": ("anything",)}.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for seed, file in enumerate(files):
            save(tmp_path / "images" / name / f"{file}.nii.gz", intensities(tissues(), seed))
    out = tmp_path / "images" / "out"
    for _ in range(2):
        assert run("batch", tmp_path / "images", "-o", out, *QUICK).code == 1
        bad, good, one = table(out)
        assert (bad["status"], good["status"], one["status"]) == ("failed", "done", "done")
        assert "strange.nii.gz" in bad["reason"]
    assert json.loads((out / "good.json").read_text())["result"]["classes"][0]["means"].keys() == {"t1", "flair"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-o", "images"), "among the images"),
        ((), "-o FOLDER"),
        (("-o", "out", "--only", "*.mgz"), "holds no case"),
        (("-o", "out", "--mask", "{who}.nii"), "{who}"),
        (("-o", "out", "--classes", "99"), "classes"),
        (("-o", "out", "--remove-islands", "0"), "above 0 mm"),
    ],
)
def test_what_holds_for_all_cases_is_refused_before_the_first(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(folder.parent)
    outcome = run("batch", "images", *arguments)
    assert outcome.code == 2
    assert told in outcome.err
    assert not (folder.parent / "out").exists()


def test_names_that_would_share_a_file_are_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("case,image\na/1,images/sub-0_T1w.nii.gz\na_1,images/sub-1_T1w.nii.gz\n")
    outcome = run("batch", tmp_path / "list.csv", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "a_1" in outcome.err


def test_two_batches_do_not_share_a_folder(run: Run, folder: Path, tmp_path: Path) -> None:
    from napari_gmmseg.session.journal.locking import FolderLock

    out = tmp_path / "out"
    out.mkdir()
    lock = FolderLock(out)
    try:
        outcome = run("batch", folder, "-o", out)
    finally:
        lock.release()
    assert outcome.code == 2
    assert "Another batch" in outcome.err


def killed_and_resumed(images: list[Path], tmp_path: Path) -> None:
    """Kill a batch of ten images and two broken files half-way, and go on with it."""
    assert len(images) == 10
    for name, content in {"broken_a": b"", "broken_b": images[0].read_bytes()[:3000]}.items():
        (tmp_path / f"{name}.nii.gz").write_bytes(content)
    paths = [*images[:3], tmp_path / "broken_a.nii.gz", *images[3:8], tmp_path / "broken_b.nii.gz", *images[8:]]
    listed, out = tmp_path / "cases.csv", tmp_path / "out"
    listed.write_text("\n".join(["case,t1", *(f"{path.name[:-7]},{path}" for path in paths)]) + "\n")
    command = ("batch", listed, "-o", out, *QUICK, "--json")
    with WarmProcesses(tmp_path / "log") as processes:
        processes.start(*command)
        until = time.monotonic() + 120
        while not (out / "t1_05.json").exists() and time.monotonic() < until:
            assert not processes.ended_within(0.005)
        assert processes.kill() != 0
        first = {row["case"]: row["status"] for row in table(out)}
        # A record may be there, and the table, which is written next, not yet.
        finished = {path.name[:-5] for path in out.glob("*.json")}
        assert len(finished - {name for name, status in first.items() if status != "waiting"}) <= 1
        assert 0 < len(finished) < 12
        assert first["broken_a"] == "failed"
        before = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name[:-5] in finished}
        before |= {name: at for name, at in stamps(out).items() if name[:-12] in finished}
        assert processes.run(*command) == 1
        log, data = processes.output, processes.data
    assert data["counts"]["done"] == 10
    assert data["counts"]["failed"] == 2
    assert data["counts"]["done_before"] == len(finished - {"broken_a", "broken_b"})
    assert {row["case"]: bool(row["reason"]) for row in table(out) if row["status"] == "failed"} == {
        "broken_a": True,
        "broken_b": True,
    }
    assert len(stamps(out)) == 10
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert not any(f"{name} …" in log for name in finished)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_batch_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    shape = (60, 50, 40)
    images = [save(tmp_path / f"t1_{n:02}.nii.gz", intensities(tissues(shape), n)) for n in range(1, 11)]
    killed_and_resumed(images, tmp_path)


@pytest.mark.data
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_batch_of_real_slabs_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    if not SLABS.is_dir():
        pytest.skip("the real images beside the checkout (../shared/data) are not there")
    killed_and_resumed(sorted(SLABS.glob("t1_??.nii.gz")), tmp_path)
