"""A fit that is put away and taken up again gives the same bits as one without a break."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from tests.fitting.live_runs import FAST, LiveCase, first_of, same_bits, slab_case, slice_case

from napari_gmmseg.volumes import Adjust, FitState, Merge, Retune, SaveState, Split

FORMS = ("deepg", "deepsvg", "blindspot", "auto")


def through_files(state: FitState) -> FitState:
    """Write a state as JSON and npz, and read it again."""
    read = []
    for arrays in (state.arrays, state.start):
        file = io.BytesIO()
        np.savez(file, **{name.replace("/", "|"): value for name, value in arrays.items()})
        file.seek(0)
        with np.load(file, allow_pickle=False) as found:
            read.append({name.replace("|", "/"): found[name] for name in found.files})
    return FitState(read[0], read[1], state.start_key, json.loads(json.dumps(dict(state.meta))))


def check_resumed(case: LiveCase, script: dict, **settings) -> None:
    """Put away where the script says; go on from each state, with what the script has left to say."""
    whole = case.run(script, **settings)
    states = whole.states
    assert len(states) == sum(isinstance(command, SaveState) for command in script.values())
    for state in states:
        done = state.meta["reports"]
        left = {n - done: command for n, command in script.items() if n > done}
        given = {name: value for name, value in settings.items() if name in ("fixed_labels",)}
        rest = case.run(left, state=through_files(state), **given)
        assert same_bits(rest.result, whole.result)
        assert len(rest.reports) == len(whole.reports) - done
        assert [dict(r.terms) for r in rest.reports] == [dict(r.terms) for r in whole.reports[done:]]


@pytest.mark.parametrize("method", FORMS)
def test_a_slice_goes_on_from_the_warm_up_from_mid_run_and_from_the_last_steps(method: str) -> None:
    reports = slice_case().run(method=method, **FAST).reports
    end = len(reports)
    warm = first_of(reports, "Network learns the spatial mixture")
    # The last snapshots are averaged: one state lies between the first of them and the last.
    check_resumed(slice_case(), {n: SaveState() for n in (warm, warm + 6, end - 5, end - 1)}, method=method, **FAST)


@pytest.mark.parametrize("method", FORMS)
@pytest.mark.parametrize("view", ["2.5d", "3d"])
def test_a_volume_goes_on(method: str, view: str) -> None:
    settings = {"method": method, "view": view, **FAST, "width": 2, "depth": 1}
    warm = first_of(slab_case().run(**settings).reports, "Network learns the spatial mixture")
    check_resumed(slab_case(), {warm + 1: SaveState(), warm + 9: SaveState()}, **settings)


@pytest.mark.parametrize("method", FORMS)
def test_a_fit_whose_classes_were_changed_goes_on(method: str) -> None:
    script = {
        3: Retune({"n_classes": 4}),
        18: Retune({"n_classes": 5, "smoothness": 0.5}),
        19: SaveState(),
        21: Merge(2, 4),
        22: Adjust(means={1: (0.5,)}, locked=frozenset({1})),
        24: SaveState(),
        26: Retune({"n_classes": 3}, frozenset({1, 2, 3})),
    }
    check_resumed(slice_case(), script, method=method, **FAST)


def test_known_voxels_keep_their_class_over_the_break() -> None:
    case = slice_case()
    labels = np.where(case.truth == 3, 2, -1)
    script = {2: Split(2), 16: Merge(3, 2), 18: SaveState(), 20: Split(3)}
    check_resumed(case, script, method="blindspot", fixed_labels=labels, **FAST)


@pytest.mark.parametrize("method", ["deepg", "deepsvg"])
def test_the_published_recipe_goes_on(method: str) -> None:
    settings = {"method": method, "recipe": "paper", "max_steps": 8, "width": 4, "depth": 2}
    check_resumed(slice_case(), {3: SaveState(), 5: Retune({"n_classes": 4}), 6: SaveState()}, **settings)


def test_several_channels_go_on() -> None:
    check_resumed(slice_case(2), {20: SaveState()}, method="auto", **FAST)


def test_a_state_that_was_taken_up_can_be_put_away_again() -> None:
    case = slice_case()
    whole = case.run({18: SaveState()}, method="blindspot", **FAST)
    (first,) = whole.states
    rest = case.run({3: SaveState()}, state=through_files(first))
    (second,) = rest.states
    assert second.meta["reports"] == first.meta["reports"] + 4
    assert same_bits(case.run(state=through_files(second)).result, whole.result)


def test_the_start_is_told_apart_by_its_key_alone() -> None:
    script = {16: SaveState(), 18: SaveState(), 20: Retune({"n_classes": 4}), 21: SaveState()}
    one, same, other = slice_case().run(script, method="blindspot", **FAST).states
    assert one.start_key == same.start_key != other.start_key
    for name, value in one.start.items():
        np.testing.assert_array_equal(value, same.start[name])
    assert other.start["memberships"].shape[0] == 4


def test_putting_away_changes_no_bit_and_copies_what_it_holds() -> None:
    case = slice_case()
    whole = case.run({16: SaveState()}, method="deepsvg", **FAST)
    assert same_bits(whole.result, case.run(method="deepsvg", **FAST).result)
    early = case.run({16: SaveState()}, method="deepsvg", **{**FAST, "max_steps": 12}).states[0]
    for name, value in whole.states[0].arrays.items():
        np.testing.assert_array_equal(value, early.arrays[name])


@pytest.mark.parametrize("method", ["gmm", "svgmm", "spatial"])
def test_mixtures_without_a_network_are_done_anew_and_put_nothing_away(method: str) -> None:
    assert not slice_case().run({2: SaveState()}, method=method).states
