"""A glioma's unnamed classes while a fit is on, put away, and begun from an earlier result."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest
from tests.fitting.live_runs import FAST, LiveCase
from tests.fitting.test_state import check_resumed

from napari_gmmseg.config import PreparationConfig, find_preset
from napari_gmmseg.io.sample import load_sample, load_sample_labels
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Geometry, Retune, SaveState

FLAIR, T1GD = "Bright on FLAIR", "Bright on T1Gd"


@lru_cache(maxsize=1)
def glioma_slab() -> LiveCase:
    """Three slices through the sample glioma."""
    case, truth = load_sample("glioma"), load_sample_labels("glioma").labels
    z = int((truth > 3).sum(axis=(1, 2)).argmax())
    part = slice(z - 1, z + 2)
    volume = replace(
        case,
        data=case.data[:, part],
        geometry=Geometry.from_spacing(truth[part].shape, case.geometry.spacing),
        source=None,
    )
    prepared = prepare(volume, PreparationConfig(mask="given"), mask=truth[part] > 0, preset=find_preset("glioma"))
    return LiveCase(volume, truth[part], prepared, find_preset("glioma"))


def named(table) -> dict[int, str]:
    return {tissue.value: tissue.name for tissue in table}


def test_unnamed_classes_keep_their_names_while_classes_come_and_go() -> None:
    run = glioma_slab().run({3: Retune({"n_classes": 6}), 5: Retune({"n_classes": 5})}, method="spatial", n_classes=5)
    first, more, last = (named(run.reports[n].classes) for n in (0, 3, -1))
    assert (first[4], first[5]) == (FLAIR, T1GD)
    assert len(more) == 6
    assert first.items() <= more.items()
    assert last.items() <= more.items()
    assert not run.refusals


@pytest.mark.parametrize("k", [5, 6])
def test_a_glioma_that_is_put_away_goes_on_to_the_same_bits(k: int) -> None:
    script = {18: SaveState(), 20: SaveState()} if k == 5 else {3: Retune({"n_classes": 6}), 18: SaveState()}
    check_resumed(glioma_slab(), script, method="blindspot", n_classes=5, **FAST)


def test_a_run_that_goes_on_from_a_result_keeps_the_unnamed_classes() -> None:
    case = glioma_slab()
    before = case.run(method="spatial", n_classes=5).result
    after = case.run(method="spatial", n_classes=5, start=before).result
    assert named(after.label_map.classes) == named(before.label_map.classes)
    changed = (after.label_map.labels != before.label_map.labels)[before.mask].mean()
    assert changed < 0.02


@pytest.mark.parametrize("method", ["deepg", "deepsvg"])
def test_networks_with_moving_means_take_independent_channels(method: str) -> None:
    result = glioma_slab().run(method=method, n_classes=5, **FAST).result
    assert named(result.label_map.classes)[4] == FLAIR
