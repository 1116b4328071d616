"""Settings and class numbers that change while a fit runs."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fitting.live_runs import FAST, first_of, same_bits, slice_case

from napari_gmmseg.volumes import Adjust, Look, Merge, Retune, SaveState, Split, Stop

PHASES = [
    ("gmm", "Gaussian mixture", 1),
    ("svgmm", "Spatially variant mixture", 2),
    ("spatial", "Spatial mixture", 0),
    ("deepsvg", "Spatial mixture", 3),
    ("deepsvg", "Network learns the spatial mixture", 2),
    ("deepsvg", "deepSVG", 8),
    ("deepg", "Network learns the spatial mixture", 1),
    ("deepg", "deepG", 8),
    ("blindspot", "Network learns the spatial mixture", 3),
    ("blindspot", "Blind-spot prior", 8),
    ("auto", "Spatial mixture", 2),
    ("auto", "Blind-spot prior", 8),
]
TISSUES = frozenset({1, 2, 3})
CORRECTED = ("gmm", "spatial", "blindspot", "deepsvg")


def settings_of(method: str) -> dict[str, object]:
    return {"method": method, **(FAST if method not in ("gmm", "svgmm", "spatial") else {})}


def place_of(method: str, phase: str, step: int) -> int:
    return first_of(slice_case().run(**settings_of(method)).reports, phase, step)


@pytest.mark.parametrize(("method", "phase", "step"), PHASES)
def test_a_patch_goes_on_in_the_same_phase(method: str, phase: str, step: int) -> None:
    place = place_of(method, phase, step)
    run = slice_case().run(
        {place: Retune({"learning_rate": 1e-3, "neighbour_weight": 0.7, "tolerance": 1e-3})}, **settings_of(method)
    )
    assert not run.refusals
    assert run.reports[place].phase == phase
    told = run.result.provenance["settings"]
    assert (told["learning_rate"], told["neighbour_weight"], told["tolerance"]) == (1e-3, 0.7, 1e-3)


@pytest.mark.parametrize(("method", "phase", "step"), PHASES)
def test_more_classes_go_on_in_the_same_phase(method: str, phase: str, step: int) -> None:
    place = place_of(method, phase, step)
    run = slice_case().run({place: Retune({"n_classes": 4})}, **settings_of(method))
    assert run.reports[place].phase == phase
    assert run.reports[place].mixture.n_classes == len(run.result.label_map.classes) == 4
    assert run.result.provenance["settings"]["n_classes"] == 4
    assert np.isfinite(run.result.probabilities).all()


@pytest.mark.parametrize(("method", "phase", "step"), PHASES)
def test_another_network_or_start_begins_anew(method: str, phase: str, step: int) -> None:
    place = place_of(method, phase, step)
    case = slice_case()
    other = {"seed": 1, "width": 2}
    run = case.run({place: Retune(other)}, **settings_of(method))
    assert same_bits(run.result, case.run(**settings_of(method) | other).result)


@pytest.mark.parametrize("method", CORRECTED)
def test_classes_go_from_three_to_five_to_two_and_back_without_a_restart(method: str) -> None:
    script = {
        3: Retune({"n_classes": 5}),
        6: Retune({"n_classes": 2}, frozenset({1, 3})),
        9: Retune({"n_classes": 3}, frozenset({1, 3})),
    }
    run = slice_case().run(script, **settings_of(method))
    assert not run.refusals
    assert [len(run.reports[n].classes) for n in (2, 3, 6, 9)] == [3, 5, 2, 3]
    assert [c.abbreviation for c in run.result.label_map.classes] == ["CSF", "GM", "WM"]


def test_a_class_that_comes_and_goes_has_the_same_label_value_each_time() -> None:
    protected = frozenset({1, 2, 3})
    script = {n: Retune({"n_classes": 4 if n % 2 else 3}, protected) for n in range(2, 12)}
    run = slice_case().run(script, method="spatial", max_steps=30)
    assert not run.refusals
    assert [run.reports[n].classes.values for n in range(3, 12, 2)] == [(1, 2, 3, 4)] * 5
    assert all(run.reports[n].classes[3] == run.reports[3].classes[3] for n in range(5, 12, 2))


@pytest.mark.parametrize("method", CORRECTED)
def test_protected_classes_are_not_merged_away_and_the_run_goes_on(method: str) -> None:
    case = slice_case()
    run = case.run({3: Retune({"n_classes": 2}, TISSUES)}, **settings_of(method))
    (refused,) = run.refusals
    assert refused == run.reports[3].refused
    assert "none of them may disappear" in refused.message
    assert refused.hint
    assert same_bits(run.result, case.run(**settings_of(method)).result)


@pytest.mark.parametrize("method", ["gmm", "spatial", "blindspot", "deepsvg"])
def test_three_classes_come_back_after_a_fourth(method: str, dice) -> None:
    case = slice_case(noise=0.05)
    up, down = (3, 7) if method in ("gmm", "spatial") else (40, 80)
    plain = case.run(method=method)
    detour = case.run({up: Retune({"n_classes": 4}), down: Retune({"n_classes": 3}, TISSUES)}, method=method)
    assert [len(report.classes) for report in detour.reports][up : down + 1] == [4] * (down - up) + [3]
    assert dice(detour.result.label_map.labels, case.truth) == pytest.approx(
        dice(plain.result.label_map.labels, case.truth), abs=0.01
    )


@pytest.mark.parametrize("method", CORRECTED)
def test_names_colours_and_label_values_stay_with_their_tissue(method: str) -> None:
    case = slice_case(noise=0.05)
    run = case.run({3: Retune({"n_classes": 5}), 7: Retune({"n_classes": 4}, TISSUES)}, method=method)
    before = run.reports[0].classes
    for report in run.reports[3:]:
        assert tuple(report.classes)[:3] == tuple(before)
    assert tuple(run.result.label_map.classes)[:3] == tuple(before)
    fresh = run.result.label_map.classes[3]
    assert fresh.value > 3
    assert fresh.colour not in {tissue.colour for tissue in before}
    # Of each tissue's voxels, those that are still called so are its own for the most part.
    for value in (1, 2, 3):
        own = run.result.label_map.labels == value
        if method == "deepsvg" and not own.any():
            # Where neighbours pull as this slice asks, a prior that sees its own voxel can lose the CSF: that is told.
            assert "empty-class" in [finding.code for finding in run.result.findings]
            continue
        assert (case.truth[own] == value).mean() > 0.6


@pytest.mark.parametrize("method", CORRECTED)
def test_merging_gives_the_voxels_to_the_class_that_stays(method: str) -> None:
    run = slice_case(noise=0.05).run({3: Merge(into=2, other=1)}, **settings_of(method))
    assert [c.value for c in run.result.label_map.classes] == [2, 3]
    assert {c.abbreviation for c in run.result.label_map.classes} == {"GM", "WM"}
    assert set(np.unique(run.result.label_map.labels)) == {0, 2, 3}


@pytest.mark.parametrize("method", CORRECTED)
def test_splitting_parts_the_class_that_was_chosen(method: str) -> None:
    case = slice_case(noise=0.05)
    place = 3 if method in ("gmm", "spatial") else place_of(method, *PHASES[9][1:]) if method == "blindspot" else 16
    plain = case.run(**settings_of(method)).reports[place - 1].mixture
    run = case.run({place: Split(3)}, **settings_of(method))
    table = run.result.label_map.classes
    assert [c.value for c in table] == [1, 2, 3, 4]
    means = run.reports[place].mixture.class_means()[:, 0]
    assert min(means[2], means[3]) < plain.class_means()[2, 0] < max(means[2], means[3])


@pytest.mark.parametrize(
    "command",
    [
        Merge(1, 1),
        Merge(1, 9),
        Split(9),
        Adjust(means={9: (1.0,)}),
        Adjust(means={1: (1.0, 2.0)}),
        Adjust(means={1: (float("nan"),)}),
        Adjust(stds={1: (0.0,)}),
        Retune({"width": 0}),
        Retune({"n_classes": 1}),
        Retune({"colour": "red"}),
        Retune({"method": "deepg", "gradient": "detached"}),
        Retune({"method": "spatial", "initial_means": ((1.0,),)}),
        Retune({"device": "cuda:99"}),
        Retune({"seed": 0}),
        SaveState(),
        Look(0),
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "place"), [("gmm", 2), ("spatial", 2), ("blindspot", 20)])
def test_what_cannot_be_done_or_changes_nothing_leaves_every_bit(method: str, place: int, command) -> None:
    case = slice_case()
    run = case.run({place: command}, **settings_of(method))
    assert same_bits(run.result, case.run(**settings_of(method)).result)
    harmless = command in (Retune({"seed": 0}), SaveState(), Look(0))
    assert len(run.refusals) == (0 if harmless else 1)
    if run.refusals:
        assert run.refusals[0].message
        assert run.refusals[0].hint


def test_too_few_classes_to_merge_and_too_many_to_split_are_refused() -> None:
    case = slice_case()
    few = case.run({2: Merge(1, 2)}, method="spatial", n_classes=2)
    many = case.run({2: Split(3)}, method="spatial", n_classes=16)
    assert "only two classes" in few.refusals[0].message
    assert "16 classes" in many.refusals[0].message


def test_threads_are_patched_at_the_next_step() -> None:
    run = slice_case().run({3: Retune({"threads": 2})}, method="spatial")
    assert run.result.provenance["threads"] == 2


def test_more_sweeps_or_steps_can_be_asked_for_in_mid_run() -> None:
    case = slice_case()
    fewer = case.run({14: Retune({"max_steps": 6})}, method="blindspot", **FAST).result.steps
    more = case.run({14: Retune({"max_steps": 30})}, method="blindspot", **FAST).result.steps
    assert fewer == FAST["warm_steps"] + 6
    assert more == FAST["warm_steps"] + 30


def test_a_scripted_run_gives_the_same_bits_again() -> None:
    case = slice_case()
    script = {
        4: Retune({"n_classes": 4}),
        18: Split(2),
        20: Retune({"learning_rate": 1e-3}),
        22: Merge(2, 4),
        24: Adjust(locked=frozenset({1})),
    }
    one, other = (case.run(script, method="blindspot", **FAST) for _ in range(2))
    assert same_bits(one.result, other.result)
    assert [(r.phase, r.step, dict(r.terms)) for r in one.reports] == [
        (r.phase, r.step, dict(r.terms)) for r in other.reports
    ]


def test_a_stop_after_a_change_returns_the_classes_as_they_are() -> None:
    run = slice_case().run({16: Retune({"n_classes": 4}), 20: Stop()}, method="deepsvg", **FAST)
    assert run.result.stopped
    assert len(run.result.label_map.classes) == 4


def test_the_network_phase_can_become_the_spatial_mixture_alone() -> None:
    case = slice_case()
    run = case.run({18: Retune({"method": "spatial"})}, **settings_of("blindspot"))
    assert same_bits(run.result, case.run(method="spatial", **FAST).result)
