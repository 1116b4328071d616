from __future__ import annotations

import numpy as np
import pytest
import SimpleITK

from napari_gmmseg.config import find_preset, numbered_classes
from napari_gmmseg.errors import GeometryError, InputError
from napari_gmmseg.quality import evaluate
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap

BRAIN = find_preset("brain-t1").classes
assert BRAIN is not None


def label_map(
    labels: np.ndarray,
    spacing: tuple[float, float, float] | None = (2.0, 1.5, 1.0),
    classes: ClassTable = BRAIN,
) -> LabelMap:
    shape = labels.shape[-3:]
    geometry = Geometry.from_spacing(shape, spacing or (1, 1, 1), "mm" if spacing else "pixel")
    return LabelMap(labels.astype(np.uint8), geometry, classes)


@pytest.fixture
def random_labels() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, (6, 7, 8))
    return np.where(rng.random(truth.shape) < 0.3, rng.integers(0, 4, truth.shape), truth), truth


def test_dice_is_that_of_simpleitk(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, truth = random_labels
    theirs = SimpleITK.LabelOverlapMeasuresImageFilter()
    theirs.Execute(*(SimpleITK.GetImageFromArray(a.astype(np.uint8)) for a in (prediction, truth)))
    ours = evaluate(label_map(prediction), label_map(truth))
    assert [c.dice for c in ours.classes] == pytest.approx([theirs.GetDiceCoefficient(k) for k in (1, 2, 3)])
    assert ours.mean_dice == pytest.approx(np.mean([c.dice for c in ours.classes]))


def test_volumes_are_in_millilitres_of_the_spacing(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, truth = random_labels
    gm = evaluate(label_map(prediction), label_map(truth)).classes[1]
    assert gm.name == "Grey matter"
    assert gm.volume_ml == pytest.approx((prediction == 2).sum() * 3.0 / 1000)
    assert gm.volume_truth_ml == pytest.approx((truth == 2).sum() * 3.0 / 1000)


def test_a_map_against_itself_is_perfect(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    same = label_map(random_labels[1])
    result = evaluate(same, same)
    assert result.mean_dice == 1.0
    assert all(c.hd95_mm == 0.0 for c in result.classes)


def test_a_class_that_both_lack_counts_as_perfect() -> None:
    labels = np.zeros((3, 4, 5))
    labels[1, 1:3, 1:3] = 3
    csf = evaluate(label_map(labels), label_map(labels)).classes[0]
    assert (csf.dice, csf.hd95_mm, csf.voxels) == (1.0, None, 0)


def test_a_wrong_extra_class_counts() -> None:
    truth, prediction = np.ones((2, 3, 4)), np.ones((2, 3, 4))
    prediction[0, 0, 0] = 7
    result = evaluate(label_map(prediction), label_map(truth, classes=numbered_classes(1)))
    assert result.classes[-1].value == 7
    assert result.classes[-1].dice == 0.0


def test_without_spacing_there_are_voxels_and_no_mm(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, truth = (label_map(a, spacing=None) for a in random_labels)
    csf = evaluate(prediction, truth).classes[0]
    assert csf.hd95_mm is None
    assert csf.volume_ml is None
    assert csf.voxels_truth == (truth.labels == 1).sum()


def test_permuted_labels_are_matched_only_when_asked(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, truth = random_labels
    permuted = np.array([0, 3, 1, 2])[prediction]
    plain = evaluate(label_map(permuted), label_map(truth))
    assert plain.matched_with_ground_truth is None
    assert plain.mean_dice < 0.4
    matched = evaluate(label_map(permuted), label_map(truth), match_labels=True)
    assert matched.matched_with_ground_truth == ((1, 2), (2, 3), (3, 1))
    assert matched.mean_dice == pytest.approx(evaluate(label_map(prediction), label_map(truth)).mean_dice)


def test_matching_leaves_surplus_classes_out() -> None:
    truth = np.repeat([0, 1, 2], 8).reshape(2, 3, 4)
    prediction = truth.copy()
    prediction[prediction == 2] = 9
    prediction[0, 0, 0] = 5
    result = evaluate(
        label_map(prediction, classes=numbered_classes(9)),
        label_map(truth, classes=numbered_classes(2)),
        match_labels=True,
    )
    assert dict(result.matched_with_ground_truth or ()) == {1: 1, 9: 2}
    assert [c.value for c in result.classes] == [1, 2]


def test_different_grids_are_refused_and_both_shown() -> None:
    with pytest.raises(GeometryError, match=r"3 x 4 x 5 voxels.*3 x 4 x 6 voxels"):
        evaluate(label_map(np.ones((3, 4, 5))), label_map(np.ones((3, 4, 6))))
    with pytest.raises(GeometryError, match=r"2 x 1.5 x 1 mm.*1 x 1 x 1 mm"):
        evaluate(label_map(np.ones((3, 4, 5))), label_map(np.ones((3, 4, 5)), spacing=(1, 1, 1)))
    with pytest.raises(GeometryError, match="2 frames of"):
        evaluate(label_map(np.ones((2, 3, 4, 5))), label_map(np.ones((3, 4, 5))))


def test_two_empty_masks_are_refused() -> None:
    empty = label_map(np.zeros((3, 4, 5)))
    with pytest.raises(InputError, match="empty"):
        evaluate(empty, empty)


def test_labels_of_one_side_are_noted() -> None:
    truth = np.zeros((3, 4, 5))
    truth[0], truth[1] = 1, 2
    result = evaluate(label_map(np.where(truth == 2, 3, truth)), label_map(truth))
    assert [(f.code, f.severity, f.message.split(":")[0]) for f in result.findings] == [
        ("one-sided-labels", "note", "Label 3 in the prediction only"),
        ("one-sided-labels", "note", "Label 2 in the truth only"),
    ]
    assert not evaluate(label_map(truth), label_map(truth)).findings


def test_masks_without_a_common_label_are_pointed_to_matching() -> None:
    truth = np.zeros((3, 4, 5))
    truth[0] = 1
    prediction = label_map(7 * truth)
    (finding,) = evaluate(prediction, label_map(truth)).findings
    assert (finding.code, finding.severity) == ("disjoint-labels", "warning")
    assert "--match-labels" in finding.hint
    assert not evaluate(prediction, label_map(truth), match_labels=True).findings
