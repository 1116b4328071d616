from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # A script finds those beside it by its own folder.
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("scaling")


def rows(scaling: ModuleType, power: float) -> list[dict[str, Any]]:
    found = []
    for run in scaling.runs("voxels", "gmm", 256):
        voxels = run.size**3 // 2
        for factor in (1.0, 1.1, 5.0):
            figures = {"cpu_s": factor * 1e-7 * voxels**power, "wall_s": 1.0, "mb": 3.0, "taken": 10, "voxels": voxels}
            found.append({"run": scaling.asdict(run)} | figures)
    return found


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7])
def test_an_exponent_is_found_again(scaling: ModuleType, power: float) -> None:
    x = [1.0, 3.0, 10.0, 200.0]
    assert scaling.exponent(x, [4 * one**power for one in x]) == pytest.approx(power)


def test_one_point_has_no_exponent(scaling: ModuleType) -> None:
    with pytest.raises(ValueError, match="two points"):
        scaling.exponent([2.0, 2.0], [1.0, 3.0])


def test_repeats_are_told_by_their_median_and_growth_beyond_the_aim_is_marked(scaling: ModuleType) -> None:
    told = scaling.report(rows(scaling, 1.0))
    assert "| voxels | gmm | 131072 | 8.38861e+06 | 1.00 |" in told
    assert f"{1.1e-7 * 131072:.3f}" in told
    assert "| 1.20 ✗ |" in scaling.report(rows(scaling, 1.2))


def test_the_picture_has_a_panel_a_series_with_the_colour_of_the_method(scaling: ModuleType) -> None:
    picture = np.asarray(scaling.draw(rows(scaling, 1.0)))
    width, height = scaling.PANEL
    assert picture.shape == (height + 30, width, 3)
    assert (picture[:height] == scaling.COLOURS["gmm"]).all(axis=-1).any()
    assert not (picture[:height] == scaling.COLOURS["spatial"]).all(axis=-1).any()
