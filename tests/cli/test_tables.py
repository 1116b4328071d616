"""Tables that stay readable however narrow the terminal is."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from napari_gmmseg.cli.tables import show_evaluation, show_segmentation

NAMES = (("Cerebrospinal fluid", "CSF"), ("Grey matter", "GM"), ("White matter", "WM"))
CHANNELS = ("t1", "t2", "flair", "pd")


def segmentation() -> dict[str, Any]:
    classes = [
        {
            "value": k,
            "name": name,
            "abbreviation": short,
            "voxels": 123456,
            "volume_ml_hard": 1234.567 + k,
            "volume_ml_soft": 1230.567 + k,
            "share": 0.3,
            "means": {channel: 1234.5 + k + c for c, channel in enumerate(CHANNELS)},
        }
        for k, (name, short) in enumerate(NAMES, 1)
    ]
    told = {
        "method": "spatial",
        "steps": 12,
        "log_likelihood": -1.5,
        "unit": "mm",
        "findings": [],
        "fraction_basis": "posterior",
    }
    return {"classes": classes, **told}


def refined() -> dict[str, Any]:
    classes = [
        {
            "value": k,
            "name": name,
            "abbreviation": short,
            "voxels_before": 100,
            "voxels_after": 100 + k,
            "volume_before_ml": 1234.567,
            "volume_after_ml": 1235.567 + k,
            "percent": (-1.25, 2.5, float("nan"))[k - 1],
            "gained": 98765 + k,
            "lost": 87654 + k,
        }
        for k, (name, short) in enumerate(NAMES, 1)
    ]
    changes = {"method_before": "spatial", "voxels_changed": 40, "classes": classes}
    return segmentation() | {"method": "blindspot", "voxels": 400, "changes": changes}


def evaluation() -> dict[str, Any]:
    numbers = {"dice": 0.87654, "hd95_mm": 123.456, "voxels": 1, "voxels_truth": 2}
    classes = [
        {"value": k, "name": name, "abbreviation": short, "volume_ml": 1234.567, "volume_truth_ml": 7654.321, **numbers}
        for k, (name, short) in enumerate(NAMES, 1)
    ]
    return {"classes": classes, "mean_dice": 0.87654, "matched_with_ground_truth": None, "findings": []}


def shown(show: Any, data: dict[str, Any], width: int) -> str:
    out = StringIO()
    show(Console(file=out, width=width), data)
    return out.getvalue()


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_name_and_no_number_is_cut(width: int) -> None:
    text = shown(show_segmentation, segmentation(), width)
    for number in (
        "1235.57",
        "1237.57",
        "30.0",
        "1236",
        "1240",
        "Mean flair",
        "Hard [ml]",
        "Soft [ml]",
        "1231.57",
        "probabilities.",
    ):
        assert number in text
    other = shown(show_evaluation, evaluation(), width)
    for number in ("0.8765", "123.46", "1234.57 ml", "7654.32 ml", "HD95 [mm]", "Prediction"):
        assert number in other
    assert "…" not in text + other
    assert ("Cerebrospinal fluid" in text) == (width == 200)
    assert ("CSF" in text) == (width < 200)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_what_a_refinement_changed_is_never_cut(width: int) -> None:
    text = shown(show_segmentation, refined(), width)
    for number in ("1234.57", "1238.57", "-1.25", "+2.50", " – ", "98768", "87657", "After [ml, hard]"):
        assert number in text
    assert "40 voxels (10.0%) changed their class" in " ".join(text.split())
    assert "nan" not in text


def test_a_refinement_of_a_picture_is_told_in_voxels() -> None:
    text = shown(show_segmentation, refined() | {"unit": "pixel"}, 120)
    assert "Before [voxels]" in text
    assert "1234.57" not in text.split("changed in the result")[1]


def test_a_table_that_fits_has_whole_names_and_no_more_than_the_width() -> None:
    text = shown(show_evaluation, evaluation(), 90)
    assert "Cerebrospinal fluid" in text
    assert max(map(len, text.splitlines())) <= 90


@pytest.mark.parametrize(("megabytes", "told"), [(None, False), (999, False), (1000, True), (2345, True)])
def test_memory_is_told_where_it_is_much(megabytes: int | None, told: bool) -> None:
    text = shown(show_segmentation, segmentation() | {"predicted_memory_mb": megabytes}, 120)
    assert ("Memory beside the image, as predicted:" in text) is told
    assert not told or f"{megabytes / 1000:.1f} GB" in text
