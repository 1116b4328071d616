from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # A script finds those beside it by its own folder.
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("peers")


@pytest.fixture
def tables(peers: ModuleType) -> ModuleType:
    return peers.peer_tables


def row(image: str, method: str, mean: float, cpu_s: float = 1.0, **more: Any) -> dict[str, Any]:
    scores = {"csf": mean, "gm": mean, "wm": mean, "mean": mean}
    figures = {"wall_s": cpu_s, "cpu_s": cpu_s, "mb_above": 10.0, "mb_with": 100.0, "threads": 1, "load": 0.5}
    return {"image": image, "method": method, "commit": "a", "began": "2026-11-21T20:00", **scores, **figures, **more}


def lines_of(report: str, start: str) -> list[list[str]]:
    found = [line.strip("| ").split(" | ") for line in report.splitlines() if line.startswith(f"| {start} |")]
    return [[cell.strip() for cell in cells] for cells in found]


@pytest.fixture
def run_main(peers: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    def run(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["peers.py", "--rows", str(tmp_path / "rows.jsonl"), *words])
        peers.main()

    monkeypatch.setattr(peers, "OUTPUT", tmp_path)
    return run


def test_peers_without_their_environment_are_named(run_main: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run_main("--peers-python", "/no/such/python", "--cases", "t1_n9b0", "--methods", "atropos-0.5", "dipy-hmrf")
    said = capsys.readouterr().out
    assert "Absent: Atropos, MRF 0.5 (/no/such/python is not there (make peers))." in said
    assert "Absent: DIPY HMRF" in said


def test_a_peer_that_is_not_installed_is_named_and_the_others_are_not(
    peers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = peers.peer_methods
    lacking = methods.Method("A peer", ("no_such_module:no-such-package", "json"), methods.sklearn_gmm)
    monkeypatch.setitem(methods.METHODS, "a-peer", lacking)
    assert methods.absent(["a-peer", "sklearn-gmm"]) == {"a-peer": ["no-such-package"]}


def test_what_a_python_lacks_is_asked_of_that_python(peers: ModuleType, tmp_path: Path) -> None:
    bench = peers.Bench(tmp_path, Path(sys.executable), 1)
    assert set(bench.absent(["spatial", "sklearn-gmm"])) == set()
    bench = peers.Bench(tmp_path, tmp_path / "python", 1)
    assert set(bench.absent(["spatial", "sklearn-gmm"])) == {"sklearn-gmm"}


def test_equal_repeats_alternate_and_single_runs_lie_in_the_middle(peers: ModuleType) -> None:
    assert peers.turns({"a": 2, "b": 2}) == ["a", "b", "a", "b"]
    assert peers.turns({"ours": 3, "peer": 1}) == ["ours", "ours", "peer", "ours"]


def test_a_run_that_was_broken_off_goes_on_where_it_ended(peers: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    kept = [row("t1_n9b0", "auto", 0.9), row("t1_n9b0", "atropos-0.2", 0.8), row("pv_n9b0", "auto", 0.9)]
    path.write_text("".join(json.dumps(one) + "\n" for one in kept) + '{"image": "t1_n9b0", "meth')
    rows = peers.measured_rows(path)
    assert len(rows) == 3
    repeats = {"auto": 3, "atropos-0.2": 1, "gmm": 1}
    assert peers.still_to_run("t1_n9b0", repeats, rows) == {"auto": 2, "gmm": 1}


def test_auto_is_compared_with_the_best_weight_of_each_image(tables: ModuleType) -> None:
    rows = [
        row("t1_n9b0", "atropos-0.2", 0.80),
        row("t1_n9b0", "atropos-0.5", 0.86),
        row("t1_n9b0", "n4-atropos-0.3", 0.85),
        row("t1_n9b0", "sklearn-gmm", 0.87),
        row("t1_n9b0", "auto", 0.88),
        row("pv_n9b0", "atropos-0.2", 0.70),
        row("pv_n9b0", "auto", 0.71),
    ]
    first = lines_of(tables.report(rows), "t1_n9b0")[0]
    assert first[1:4] == ["0.860 (.5)", "0.850 (.3)", "0.870 (scikit-learn GMM)"]
    assert first[-2:] == ["+0.020", "+0.010"]
    assert lines_of(tables.report(rows), "pv_n9b0")[0][-2] == "+0.010 ✗"


def test_bias_is_told_against_the_same_noise_without(tables: ModuleType) -> None:
    rows = [row(f"pv_n{noise}b0", "auto", 0.90) for noise in (5, 9)]
    rows += [row(f"pv_n{noise}b40s", "auto", 0.87) for noise in (5, 9)]
    told = tables.bias_table(tables.Medians.of(rows))
    assert lines_of(told, "pv_n5b40s")[0][2] == "-0.030 ✗"
    assert lines_of(told, "pv_n9b40s")[0][2] == "-0.030"


def test_seconds_are_shares_of_the_fastest_and_of_the_best_atropos_by_medians(tables: ModuleType) -> None:
    rows = [row("t1_n9b0", "atropos-0.2", 0.8, 20.0), row("t1_n9b0", "atropos-0.5", 0.9, 40.0)]
    rows += [row("t1_n9b0", "spatial", 0.8, seconds) for seconds in (1.0, 2.0, 9.0)]
    rows += [row("t1_n9b0", "auto", 0.8, 12.0)]
    told = tables.cost_table(tables.Medians.of(rows), ["t1_n9b0"])
    shares = ["2.00", "0.100", "0.050", "12.00", "0.600 ✗", "0.300"]
    assert lines_of(told, "t1_n9b0")[0] == ["t1_n9b0", "20.0", "40.0", *shares]


def test_a_set_has_one_best_peer_and_needs_all_its_images(tables: ModuleType) -> None:
    rows = [row(f"ptbp {n:02d}", "auto", 0.80) for n in (1, 2)]
    rows += [row("ptbp 01", "atropos-0.2", 0.90), row("ptbp 02", "atropos-0.2", 0.60)]
    rows += [row("ptbp 01", "atropos-0.5", 0.70), row("ptbp 02", "atropos-0.5", 0.78)]
    rows += [row("ptbp 01", "sklearn-gmm", 0.99)]
    told = tables.set_table(tables.Medians.of(rows), ["ptbp 01", "ptbp 02"])
    best, *_, gap = lines_of(told, "ptbp (2)")[0][1:]
    assert best == "0.750 (Atropos, MRF 0.2)"
    assert gap == "+0.050"


def test_runs_of_an_older_commit_do_not_count_and_failures_are_named(tables: ModuleType) -> None:
    rows = [row("t1_n9b0", "auto", 0.5), row("t1_n9b0", "auto", 0.9, commit="b")]
    failed = {"image": "t1_n9b0", "method": "dipy-hmrf", "commit": "b", "began": "2026-11-21", "failed": "exit code 1"}
    medians = tables.Medians.of([*rows, failed])
    assert medians.get("t1_n9b0", "auto") == 0.9
    told = tables.report([*rows, failed])
    assert "Failed: t1_n9b0, DIPY HMRF." in told
    assert "Not run: Atropos, MRF 0.2." in told


def test_images_that_were_not_run_are_named(tables: ModuleType) -> None:
    rows = [row("t1_n9b0", key, 0.8) for key in tables.ALONE + tables.CORRECTED]
    rows += [row("pv_n9b0", "atropos-0.2", 0.8)]
    told = tables.report(rows, {}, ["t1_n9b0", "pv_n9b0", "t1_n0b0"])
    assert "Images not run: t1_n0b0." in told
    assert "Images without some weight of Atropos: pv_n9b0." in told


def test_classes_are_numbered_by_their_mean_intensity(peers: ModuleType) -> None:
    methods = peers.peer_methods
    image = np.array([[[5.0, 1.0, 3.0, 9.0]]], dtype=np.float32)
    case = methods.Case(image, np.array([[[True, True, True, False]]]), np.eye(4))
    found = methods.by_rank(np.array([[[0, 2, 1, 2]]]), case)
    np.testing.assert_array_equal(found, [[[3, 1, 2, 0]]])
