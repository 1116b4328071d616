"""Gaussians that a person sets or locks, voxels of known class, and fits that go on from a result."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fitting.live_runs import FAST, slice_case

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.volumes import Adjust, Merge, Retune, Split

LOCKING = [("spatial", 1), ("spatial", 2), ("deepsvg", 1), ("deepsvg", 2), ("blindspot", 1), ("deepg", 2)]


def settings_of(method: str) -> dict[str, object]:
    return {"method": method, **(FAST if method != "spatial" else {})}


@pytest.mark.parametrize(("method", "n_channels"), LOCKING)
@pytest.mark.parametrize("place", [2, 22])
def test_a_locked_gaussian_stays_to_the_last_bit(method: str, n_channels: int, place: int) -> None:
    if method == "spatial" and place > 12:
        place = 8
    # As deepG is tuned, it holds every Gaussian anyway: a lock would show nothing.
    free = {"means": "anchored"} if method == "deepg" else {}
    run = slice_case(n_channels).run({place: Adjust(locked=frozenset({2}))}, **settings_of(method), **free)
    held = run.reports[place].mixture
    for mixture in [*(report.mixture for report in run.reports[place:]), run.result.mixture]:
        np.testing.assert_array_equal(mixture.means[1], held.means[1])
        np.testing.assert_array_equal(np.diag(mixture.covariances[1]), np.diag(held.covariances[1]))
    if method != "blindspot":
        assert not np.array_equal(run.result.mixture.means[0], held.means[0])


@pytest.mark.parametrize(("method", "n_channels"), LOCKING)
def test_a_gaussian_that_was_set_and_locked_is_the_one_that_was_set(method: str, n_channels: int) -> None:
    mean, std = (0.75, 0.8)[:n_channels], (0.06, 0.1)[:n_channels]
    command = Adjust(means={2: mean}, stds={2: std}, locked=frozenset({2}))
    run = slice_case(n_channels).run({2: command}, **settings_of(method))
    np.testing.assert_allclose(run.result.mixture.means[1], mean, rtol=1e-12)
    np.testing.assert_allclose(run.result.mixture.stds[1], std, rtol=1e-12)


def test_a_mean_that_was_locked_beside_another_is_not_pushed_aside() -> None:
    command = Adjust(means={2: (0.98,)}, locked=frozenset({2}))
    run = slice_case().run({2: command}, method="spatial")
    assert run.result.mixture.means[1, 0] == pytest.approx(0.98, rel=1e-12)
    assert (np.diff(run.result.mixture.class_means()[:, 0]) > 0).all()


def test_unlocking_lets_a_gaussian_move_again() -> None:
    script = {2: Adjust(locked=frozenset({2})), 5: Adjust(locked=frozenset())}
    run = slice_case().run(script, method="spatial")
    assert run.result.mixture.means[1] != run.reports[5].mixture.means[1]


def test_a_mean_that_is_not_locked_starts_where_it_was_put() -> None:
    run = slice_case().run({2: Adjust(means={1: (0.4,)})}, method="spatial")
    assert run.reports[2].mixture.means[0, 0] == pytest.approx(0.4)
    assert run.result.mixture.means[0, 0] != pytest.approx(0.4)


@pytest.mark.parametrize("method", ["gmm", "svgmm"])
def test_em_refuses_to_hold_a_class(method: str) -> None:
    run = slice_case().run({2: Adjust(locked=frozenset({2}))}, method=method)
    assert "none can be held" in run.refusals[0].message


@pytest.mark.parametrize("command", [Adjust(locked=frozenset({1})), Adjust(means={1: (0.5,)})], ids=str)
def test_a_recipe_without_a_start_refuses_set_and_held_gaussians(command: Adjust) -> None:
    run = slice_case().run({3: command}, method="deepsvg", recipe="paper", max_steps=6, width=4, depth=2)
    assert "starts from no mixture" in run.refusals[0].message


def test_a_locked_class_is_not_merged_away() -> None:
    script = {2: Adjust(locked=frozenset({1, 2, 3})), 3: Retune({"n_classes": 2})}
    assert "none of them may disappear" in slice_case().run(script, method="spatial").refusals[0].message


KNOWN = ("gmm", "spatial", "deepsvg", "blindspot")


def known_labels() -> np.ndarray:
    """A few voxels of each tissue, as fitted classes 0, 1, 2."""
    truth = slice_case().truth
    labels = np.full(truth.shape, -1)
    for value in (1, 2, 3):
        places = np.flatnonzero(truth == value)[::29]
        labels.flat[places] = value - 1
    return labels


def values_of(run, labels: np.ndarray) -> dict[int, set[int]]:
    found = run.result.label_map.labels
    return {k: set(np.unique(found[labels == k]).tolist()) for k in np.unique(labels[labels >= 0]).tolist()}


@pytest.mark.parametrize("method", KNOWN)
def test_known_voxels_keep_their_class_through_splits_and_merges(method: str) -> None:
    labels = known_labels()
    plain = slice_case().run(**settings_of(method), fixed_labels=labels)
    before = values_of(plain, labels)
    script = {2: Retune({"n_classes": 5}), 5: Retune({"n_classes": 4}, frozenset({1, 2, 3}))}
    run = slice_case().run(script, **settings_of(method), fixed_labels=labels)
    assert not run.refusals
    assert all(len(values) == 1 for values in before.values())
    assert values_of(run, labels) == before


@pytest.mark.parametrize("method", KNOWN)
def test_known_voxels_of_a_class_that_was_merged_belong_to_the_one_that_stays(method: str) -> None:
    labels = known_labels()
    before = values_of(slice_case().run(**settings_of(method), fixed_labels=labels), labels)
    by_value = {values.pop(): k for k, values in before.items()}
    run = slice_case().run({2: Merge(into=3, other=2)}, **settings_of(method), fixed_labels=labels)
    after = values_of(run, labels)
    assert after[by_value[2]] == after[by_value[3]] == {3}
    assert after[by_value[1]] == {1}


def test_known_voxels_of_a_class_that_was_split_stay_with_the_half_that_keeps_its_name() -> None:
    labels = known_labels()
    run = slice_case().run({2: Split(2)}, method="spatial", fixed_labels=labels)
    assert {value for values in values_of(run, labels).values() for value in values} == {1, 2, 3}


@pytest.mark.parametrize("method", KNOWN)
def test_a_known_class_that_is_not_fitted_is_refused_before_the_start(method: str) -> None:
    with pytest.raises(SettingsError, match="to 5, and there are 3 classes"):
        next(slice_case().begin(method=method, fixed_labels=np.full(slice_case().truth.shape, 5)))


def test_a_result_is_gone_on_from_with_its_names() -> None:
    case = slice_case(noise=0.05)
    first = case.run({2: Merge(into=2, other=1), 4: Split(3)}, method="spatial").result
    again = case.run(method="spatial", start=first).result
    assert again.label_map.classes == first.label_map.classes
    # A slice that has just been merged and split has not settled; what goes on from it does.
    later = case.run(method="spatial", start=again).result
    assert (again.label_map.labels == first.label_map.labels)[case.truth > 0].mean() > 0.75
    assert (later.label_map.labels == again.label_map.labels)[case.truth > 0].mean() > 0.85


@pytest.mark.parametrize("method", ["gmm", "spatial", "blindspot", "deepsvg"])
def test_a_result_is_gone_on_from_with_more_and_with_fewer_classes(method: str, dice) -> None:
    case = slice_case(noise=0.05)
    first = case.run(method="spatial").result
    more = case.run(**settings_of(method), start=first, n_classes=4).result
    assert tuple(more.label_map.classes)[:3] == tuple(first.label_map.classes)
    fewer = case.run(**settings_of(method), start=more).result
    assert fewer.label_map.classes == first.label_map.classes
    if method in ("gmm", "spatial"):
        # gmm does not ask the neighbours that the first result had asked.
        assert dice(fewer.label_map.labels, first.label_map.labels) > (0.9 if method == "spatial" else 0.85)


def test_known_voxels_count_by_the_classes_of_the_result_that_is_gone_on_from() -> None:
    case = slice_case(noise=0.05)
    first = case.run({2: Split(3)}, method="spatial").result
    labels = np.full(case.truth.shape, -1)
    labels[case.truth == 1] = 3  # the fourth of its classes
    result = case.run(method="spatial", start=first, fixed_labels=labels, n_classes=4).result
    assert set(np.unique(result.label_map.labels[case.truth == 1])) == {first.label_map.classes[3].value}
