"""The study that chooses what the refinement comes with: its rule, and that it can be taken up."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from napari_gmmseg.config.recipes import RECIPES, Recipe

#: What the program came with when the study was begun (commit 4032472), with what recipes say since then.
BEGUN_WITH = Recipe(
    warm_steps=25,
    unseen_steps=20,
    max_steps=100,
    least_steps=40,
    window=20,
    tolerance=1e-3,
    learning_rate=4e-3,
    weight_decay=1e-3,
    gradient_clip=12.0,
    decays=True,
    falls_from=0.5,
    mirrors=True,
    batch_slices=2,
    means="fixed",
    mean_weight=0.0,
    smoothness=0.0,
    gradient="detached",
    network="light",
    width=8,
    depth=2,
    norm_momentum=0.1,
    hidden_share=0.3,
    snapshots=3,
    mirrors_snapshots=False,
    own_intensity=0.25,
    weighs_sizes=True,
    bound=False,
    likelihood_floor=0.0,
)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # A script finds those beside it by its own folder.
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("study_default")


def _rows(
    study: ModuleType, variant: str, gain: float = 0.0, cpu: float = 9.0, seed: int = 0, **more: Any
) -> list[Any]:
    return [
        {
            "variant": variant,
            "case": case,
            "seed": seed,
            "dice": [0.9 + gain] * 3,
            "cpu_s": cpu,
            "wall_s": cpu,
            "first_deep_cpu_s": 2.5,
            "peak_mb": 900.0,
        }
        | more
        for case in study.DECIDED
    ]


def _proposed(study: ModuleType, *more: list[Any], sd: float = 0.002) -> str:
    rows = sum(more, _rows(study, "default"))
    names = dict.fromkeys(row["variant"] for row in rows if row["variant"] != "default")
    sds = dict.fromkeys(study.DECIDED, sd)
    name: str = study.proposed([study.Comparison(variant, rows, sds) for variant in names])[0]
    return name


def test_a_variant_better_by_more_than_the_spread_is_proposed(study: ModuleType) -> None:
    assert _proposed(study, _rows(study, "a", 0.02), _rows(study, "b", 0.03)) == "b"


def test_a_gain_within_the_spread_changes_nothing(study: ModuleType) -> None:
    assert _proposed(study, _rows(study, "a", 0.002)) == "default"


def test_of_what_is_as_good_the_faster_is_proposed(study: ModuleType) -> None:
    slower, faster = _rows(study, "a", 0.001, cpu=8.0), _rows(study, "b", -0.0009, cpu=7.0)
    assert _proposed(study, slower, faster) == "b"
    assert _proposed(study, _rows(study, "a", -0.0011, cpu=7.0)) == "default"
    assert _proposed(study, _rows(study, "a", 0.001, cpu=8.5)) == "default"


def test_a_fall_on_one_case_or_a_broken_limit_rules_a_variant_out(study: ModuleType) -> None:
    falls = _rows(study, "a", 0.03)
    falls[-1]["dice"] = [0.88] * 3
    assert _proposed(study, falls) == "default"
    assert _proposed(study, _rows(study, "a", 0.03, cpu=25.0)) == "default"
    assert _proposed(study, _rows(study, "a", 0.03, peak_mb=2500.0)) == "default"


def test_where_the_default_breaks_a_limit_the_best_that_keeps_it_is_proposed(study: ModuleType) -> None:
    default = _rows(study, "default", first_deep_cpu_s=3.4)
    later = _rows(study, "a", 0.004, first_deep_cpu_s=3.1)
    sooner, worse = _rows(study, "b", 0.001), _rows(study, "c", -0.002)
    rows = [*default, *later, *sooner, *worse]
    sds = dict.fromkeys(study.DECIDED, 0.002)
    assert study.proposed([study.Comparison(name, rows, sds) for name in "abc"])[0] == "b"
    assert study.proposed([study.Comparison(name, rows, sds) for name in "ac"])[0] == "default"


def test_a_variant_not_run_on_all_cases_is_not_proposed(study: ModuleType) -> None:
    assert _proposed(study, _rows(study, "a", 0.03)[1:]) == "default"


def test_the_spread_is_over_seeds_not_over_cases(study: ModuleType) -> None:
    rows = _rows(study, "default") + _rows(study, "default", 0.01, seed=1)
    rows[0]["dice"] = [0.5] * 3
    rows[len(study.DECIDED)]["dice"] = [0.51] * 3
    assert study.spreads(rows) == pytest.approx(dict.fromkeys(study.DECIDED, 0.01 / 2**0.5))


def test_what_is_recorded_is_not_run_again(study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    class Process:
        returncode = 0

        def __init__(self, command: list[str], **_: Any) -> None:
            name, seed, *cases = command[command.index("--work") + 1 :]
            asked.append(cases)
            rows = [{"variant": name, "case": case, "seed": int(seed)} for case in cases]
            self.stdout = [json.dumps(row) + "\n" for row in rows]

        def __enter__(self) -> Process:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(study.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="abc"))
    monkeypatch.setattr(study.subprocess, "Popen", Process)
    path = tmp_path / "runs.jsonl"
    study.run([study.DEFAULT], ["heart"], [0], path)
    study.run([study.DEFAULT], ["heart", "t1_n9b0"], [0], path)
    study.run([study.DEFAULT], ["heart", "t1_n9b0"], [0], path)
    assert asked == [["heart"], ["t1_n9b0"]]
    assert len(study.recorded(path)) == 2


def test_the_tables_name_every_case_and_what_is_proposed(study: ModuleType) -> None:
    rows = [*_rows(study, "default"), *_rows(study, "default", 0.001, seed=1), *_rows(study, "width 16", 0.03)]
    lines = "\n".join(study.table(rows))
    assert all(case in lines for case in study.DECIDED)
    assert "Proposed: **width 16**" in lines


def test_the_centre_is_what_the_study_was_begun_with_whatever_is_shipped(
    study: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ("blindspot", "tuned")
    assert RECIPES[key] != BEGUN_WITH
    monkeypatch.setitem(RECIPES, key, RECIPES[key])
    study.DEFAULT.put_in_force()
    assert RECIPES[key] == BEGUN_WITH


def test_the_tables_name_the_commits_of_what_they_compare(study: ModuleType) -> None:
    rows = [*_rows(study, "default", commit="abc"), *_rows(study, "width 16", commit="def")]
    assert study.Comparison("width 16", rows, study.spreads(rows)).commits == "def, abc"
    lines = "\n".join(study.table(rows))
    assert lines.count("| def, abc |") == 1
    assert lines.count("| abc |") == len(study.DECIDED)
    noisy = [{**row, "case": "t1_n9b0", "noise_ratio": 0.4} for row in _rows(study, "spatial", commit="abc")[:1]]
    assert "| abc |" in "\n".join(study.noise_table(noisy))
