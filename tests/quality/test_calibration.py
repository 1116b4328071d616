from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.quality.calibration import (
    calibrate,
    expected_calibration_error,
    fit_temperature,
    reliability,
    tempered,
)
from napari_gmmseg.volumes import UNLABELLED, Geometry, Scribbles, Stroke

SHAPE = (1, 60, 60)
CLASSES = numbered_classes(3)
GEOMETRY = Geometry.from_spacing(SHAPE, (1.0, 1.0, 1.0))


def honest(seed: int = 0, n: int = 60 * 60) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (3, n) that keep their word, and the true classes (n,)."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet((0.6, 0.6, 0.6), n).T
    drawn = (rng.random(n) > np.cumsum(p, axis=0)).sum(axis=0)
    return p.astype(np.float32), np.minimum(drawn, 2)


def rows(values: np.ndarray, n_rows: int = 12) -> Scribbles:
    """Three strokes a row, one of each class: the voxels of that row that have it."""
    strokes = []
    for row in range(n_rows):
        for k in range(3):
            columns = np.flatnonzero(values[row] == k)
            voxels = np.stack([np.zeros_like(columns), np.full_like(columns, row), columns], axis=-1)
            strokes.append(Stroke(k + 1, voxels))
    return Scribbles(SHAPE, GEOMETRY, CLASSES).with_strokes(strokes)


def answering(p: np.ndarray, classes: np.ndarray, n_rows: int = 12):
    """Answer with some probabilities where a stroke is missing, and with the truth to all strokes."""
    truth = np.eye(3, dtype=np.float32)[:, classes].reshape(3, *SHAPE)

    def answer(scribbles: Scribbles) -> np.ndarray:
        return truth if len(scribbles.strokes) >= 3 * n_rows else p.reshape(3, *SHAPE)

    return answer


def test_probabilities_that_keep_their_word_have_hardly_any_error() -> None:
    assert expected_calibration_error(reliability(*honest(n=100_000))) < 0.01


def test_bins_tell_confidence_and_accuracy() -> None:
    p = np.array([[0.95, 0.95, 0.65, 0.9], [0.05, 0.05, 0.35, 0.1]])
    bins = reliability(p, np.array([0, 1, 0, 0]), 10)
    assert [b.n_voxels for b in bins] == [0, 0, 0, 0, 0, 0, 1, 0, 1, 2]
    assert (bins[9].confidence, bins[9].accuracy) == (pytest.approx(0.95), 0.5)
    assert expected_calibration_error(bins) == pytest.approx((2 * 0.45 + 0.35 + 0.1) / 4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_taken_away_is_found(temperature: float) -> None:
    p, classes = honest(1, 50_000)
    assert fit_temperature(tempered(p, 1 / temperature), classes) == pytest.approx(temperature, rel=0.08)


def test_tempering_keeps_the_likeliest_class_and_sums_to_one() -> None:
    p, _ = honest(2)
    p[:, 5] = 0
    soft = tempered(p, 2.5)
    np.testing.assert_array_equal(soft.argmax(axis=0), p.argmax(axis=0))
    np.testing.assert_allclose(np.delete(soft.sum(axis=0), 5), 1, rtol=1e-5)
    assert (soft[:, 5] == 0).all()


def test_answers_that_are_too_sure_are_cooled_by_strokes_left_out() -> None:
    p, classes = honest(3)
    found = calibrate(answering(tempered(p, 1 / 3), classes), rows(classes.reshape(60, 60)))
    assert found.temperature == pytest.approx(3, rel=0.35)
    assert found.ece_before is not None
    assert found.ece_after is not None
    assert found.ece_after < 0.5 * found.ece_before
    assert found.findings == ()
    assert sum(b.n_voxels for b in found.bins) == found.n_voxels == 12 * 60
    np.testing.assert_allclose(found.apply(p), tempered(p, found.temperature))


def test_an_answer_never_sees_the_strokes_that_it_is_judged_by() -> None:
    p, classes = honest(4)
    scribbles = rows(classes.reshape(60, 60))
    seen: list[np.ndarray] = []

    def answer(left: Scribbles) -> np.ndarray:
        seen.append(left.labels() > 0)
        assert set(np.unique(left.labels())) == {0, 1, 2, 3}
        return p.reshape(3, *SHAPE)

    calibrate(answer, scribbles, folds=4)
    painted = scribbles.labels() > 0
    np.testing.assert_array_equal(seen.pop(0), painted)
    assert len(seen) == 4
    np.testing.assert_array_equal(sum((painted & ~s).astype(int) for s in seen), painted)


def test_honest_answers_are_left_as_they_are_or_nearly_so() -> None:
    p, classes = honest(5)
    found = calibrate(answering(p, classes), rows(classes.reshape(60, 60)))
    assert found.temperature == pytest.approx(1, abs=0.2)


def test_where_calibration_does_not_help_it_says_so_and_changes_nothing() -> None:
    # Each class is wrong in one half of the image and right in the other, with equal confidence: no temperature mends
    # what the other parts do not show.
    _, classes = honest(6)
    values = classes.reshape(60, 60)
    p = np.full((3, *SHAPE), 0.05, dtype=np.float32)
    p[(values[None]).reshape(-1), np.zeros(3600, int), *np.divmod(np.arange(3600), 60)] = 0.9
    p[:, 0, :1] = np.roll(p[:, 0, :1], 1, axis=0)
    found = calibrate(answering(p, classes, 2), rows(values, n_rows=2))
    assert [f.code for f in found.findings] == ["calibration-does-not-help"]
    assert found.temperature == 1
    assert found.apply(p) is p


@pytest.mark.parametrize(("n_rows", "why"), [(0, "fewer than two classes"), (1, "has one stroke")])
def test_too_few_strokes_are_not_calibrated_on(n_rows: int, why: str) -> None:
    p, classes = honest(7)
    found = calibrate(answering(p, classes), rows(classes.reshape(60, 60), n_rows))
    assert [f.code for f in found.findings] == ["too-few-strokes-to-calibrate"]
    assert why in found.findings[0].message
    assert (found.temperature, found.ece_before, found.bins) == (1.0, None, ())


def test_two_dots_of_a_class_are_too_few_voxels() -> None:
    p, classes = honest(8)
    dots = [Stroke(3, np.array([[0, 50, x]])) for x in (3, 9)]
    full = rows(classes.reshape(60, 60))
    few = Scribbles(SHAPE, GEOMETRY, CLASSES).with_strokes([*(s for s in full.strokes if s.value != 3), *dots])
    assert "Class 3 has 2 painted voxels" in calibrate(answering(p, classes), few).findings[0].message


def test_a_stroke_of_which_nothing_is_left_does_not_count() -> None:
    p, classes = honest(9)
    full = rows(classes.reshape(60, 60), 2)
    gone = full.with_strokes([Stroke(UNLABELLED, full.strokes[-1].voxels)])
    assert "Class 3 has one stroke" in calibrate(answering(p, classes), gone).findings[0].message


def test_strokes_that_correct_count_no_more_than_what_they_changed() -> None:
    # Half of all strokes lie in the one twentieth of the image that is answered wrongly, and surely so.
    values = np.zeros((60, 60), dtype=np.int64)
    values[:, 30:], values[:3] = 1, 2
    p = np.full((3, *SHAPE), 0.05, dtype=np.float32)
    for k in (0, 1):
        p[k, 0][values == k] = 0.9
    p[0, 0, :3] = 0.9
    strokes = [
        Stroke(3, np.array([[0, row, x] for x in range(20 * n, 20 * n + 20)])) for row in range(3) for n in range(3)
    ]
    for row in range(10, 14):
        strokes += [Stroke(k + 1, np.array([[0, row, 30 * k + x] for x in range(30)])) for k in (0, 1)]
    scribbles = Scribbles(SHAPE, GEOMETRY, CLASSES).with_strokes(strokes)
    truth = np.eye(3, dtype=np.float32)[:, values].reshape(3, *SHAPE)
    found = calibrate(lambda s: truth if len(s.strokes) == len(strokes) else p, scribbles)
    assert found.ece_before == pytest.approx(0.95 - 0.9, abs=0.01)
    assert found.temperature < 1.5


def test_strokes_that_all_correct_say_nothing_of_the_rest() -> None:
    p, classes = honest(11)
    wrong = np.roll(np.eye(3, dtype=np.float32), 1, axis=0)[:, classes]
    found = calibrate(answering(wrong, classes), rows(classes.reshape(60, 60)))
    assert "every stroke corrects the answer" in found.findings[0].message
    assert found.apply(p) is p


def test_same_seed_same_temperature() -> None:
    p, classes = honest(10)
    scribbles = rows(classes.reshape(60, 60))
    assert calibrate(answering(p, classes), scribbles, seed=3) == calibrate(answering(p, classes), scribbles, seed=3)
