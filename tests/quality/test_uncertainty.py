from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_gmmseg.errors import GeometryError, InputError
from napari_gmmseg.quality import uncertainty
from napari_gmmseg.quality.uncertainty import disagreement, entropy, margin

SHAPE = (3, 20, 21)


def drawn(seed: int, k: int = 4) -> np.ndarray:
    p = np.random.default_rng(seed).dirichlet(np.full(k, 0.5), SHAPE)
    return np.moveaxis(p, -1, 0).astype(np.float32)


@pytest.fixture
def mask() -> np.ndarray:
    return np.random.default_rng(9).random(SHAPE) < 0.7


def test_entropy_is_that_of_scipy(mask: np.ndarray) -> None:
    p = drawn(0)
    np.testing.assert_allclose(entropy(p, mask)[mask], stats.entropy(p, axis=0)[mask], atol=1e-5)
    assert (entropy(p, mask)[~mask] == 0).all()


def test_normalised_entropy_is_one_where_all_classes_are_alike_and_zero_where_one_is_sure() -> None:
    p = np.full((4, 1, 1, 2), 0.25, dtype=np.float32)
    p[:, 0, 0, 1] = (0, 1, 0, 0)
    found = entropy(p, np.ones((1, 1, 2), dtype=bool), normalised=True)
    np.testing.assert_allclose(found[0, 0], (1.0, 0.0), atol=1e-6)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_margin_is_the_lead_of_the_likeliest_class(mask: np.ndarray, k: int) -> None:
    p = drawn(1, k)
    ordered = np.sort(p, axis=0)
    np.testing.assert_allclose(margin(p, mask)[mask], (ordered[-1] - ordered[-2])[mask], atol=1e-6)
    assert (margin(p, mask)[~mask] == 1).all()


def test_members_that_agree_do_not_disagree_however_unsure(mask: np.ndarray) -> None:
    p = drawn(2)
    np.testing.assert_allclose(disagreement([p, p, p], mask), 0, atol=1e-5)


def test_members_that_contradict_each_other_disagree_by_log_two() -> None:
    first = np.zeros((2, 1, 1, 1), dtype=np.float32)
    first[0] = 1
    found = disagreement([first, first[::-1]], np.ones((1, 1, 1), dtype=bool))
    assert found.item() == pytest.approx(np.log(2))


def test_disagreement_is_entropy_of_the_mean_less_mean_entropy(mask: np.ndarray) -> None:
    members = [drawn(seed) for seed in range(5)]
    wanted = stats.entropy(np.mean(members, axis=0), axis=0) - np.mean([stats.entropy(p, axis=0) for p in members], 0)
    found = disagreement(iter(members), mask)
    np.testing.assert_allclose(found[mask], wanted[mask], atol=1e-5)
    assert found.min() >= 0
    assert (found[~mask] == 0).all()


def test_members_are_not_changed(mask: np.ndarray) -> None:
    members = [drawn(seed) for seed in range(2)]
    disagreement(members, mask)
    np.testing.assert_array_equal(members[0], drawn(0))


def test_chunks_make_no_difference(mask: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    p = drawn(3)
    whole = entropy(p, mask), margin(p, mask)
    monkeypatch.setattr(uncertainty, "CHUNK", 17)
    np.testing.assert_array_equal(entropy(p, mask), whole[0])
    np.testing.assert_array_equal(margin(p, mask), whole[1])


def test_one_member_is_no_ensemble(mask: np.ndarray) -> None:
    with pytest.raises(InputError, match="ensemble of 1"):
        disagreement([drawn(0)], mask)


def test_members_of_other_classes_are_refused(mask: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="shapes"):
        disagreement([drawn(0, 3), drawn(0, 4)], mask)


def test_a_mask_of_another_grid_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="grid"):
        entropy(drawn(0), mask[:2])
