"""Images that leave a network little to learn from: a defined answer, finite numbers, and no warning."""

from __future__ import annotations

import numpy as np
import pytest

FORMS = [
    ("deepg", "tuned"),
    ("deepg", "paper"),
    ("deepg", "code"),
    ("deepsvg", "tuned"),
    ("deepsvg", "paper"),
    ("deepsvg", "code"),
    ("blindspot", "tuned"),
]
every_form = pytest.mark.parametrize(("method", "recipe"), FORMS, ids=["-".join(form) for form in FORMS])


def rough(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def answer(segment):
    """Fit in a few steps; return the result, whose every number was looked at."""

    def run(image, mask=None, *, n_classes=3, **how):
        mask = np.ones(image.shape[-3:], bool) if mask is None else mask
        few = {"max_steps": 5, "width": 4, "depth": 2, "preset": "custom"}
        if how.get("recipe", "tuned") == "tuned":
            few["warm_steps"] = 3
        result = segment(image, mask, n_classes=n_classes, **{**few, **how})
        check(result, mask, n_classes)
        return result

    return run


def check(result, mask, n_classes):
    for maps in (result.probabilities, result.prior):
        if maps is not None:
            assert maps.shape == (n_classes, *mask.shape)
            np.testing.assert_allclose(maps.sum(0)[mask], 1, atol=1e-4)
            assert not maps[:, ~mask].any()
            assert maps.min() >= 0
    assert (result.label_map.labels[mask] >= 1).all()
    assert not result.label_map.labels[~mask].any()
    assert np.isfinite(result.mixture.means).all()
    assert (np.einsum("gcc->gc", result.mixture.covariances) > 0).all()
    assert result.mixture.mixing_weights.sum() == pytest.approx(1)
    assert np.isfinite(result.log_likelihood)
    for report in result.history:
        assert np.isfinite(list(report.terms.values())).all(), report
        assert report.log_likelihood is None or np.isfinite(report.log_likelihood)


@every_form
@pytest.mark.parametrize("shape", [(1, 5, 5), (1, 1, 30), (1, 30, 1), (2, 2, 2), (1, 3, 17)], ids=str)
def test_an_image_smaller_than_the_network_s_stride(answer, method, recipe, shape) -> None:
    answer(rough(*shape), spacing=None, method=method, recipe=recipe, depth=4)


@every_form
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("view", ["auto", "3d"])
def test_a_volume_of_one_voxel_s_thickness_is_one_slice(answer, method, recipe, axis, view) -> None:
    shape = [7, 8, 9]
    shape[axis] = 1
    answer(rough(*shape), method=method, recipe=recipe, view=view)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_gives_the_same_wherever_its_thin_axis_lies(answer, squares, axis) -> None:
    image, _ = squares
    how = {"method": "blindspot", "precision": "float32", "max_steps": 20}
    plain = answer(image, **how).probabilities
    moved = answer(np.moveaxis(image, 0, axis), **how).probabilities
    np.testing.assert_allclose(np.moveaxis(moved, axis + 1, 1), plain, atol=1e-5)


@every_form
def test_a_mask_of_fifty_voxels(answer, method, recipe) -> None:
    mask = np.zeros((4, 12, 12), bool)
    mask.reshape(-1)[np.random.default_rng(1).choice(mask.size, 50, replace=False)] = True
    answer(rough(4, 12, 12), mask, method=method, recipe=recipe)


@every_form
def test_eight_classes(answer, method, recipe) -> None:
    answer(rough(1, 20, 20), spacing=None, method=method, recipe=recipe, n_classes=8)


@every_form
def test_a_channel_that_is_almost_constant(answer, method, recipe) -> None:
    image = rough(3, 4, 12, 12)
    image[1] = 5
    image[1, 0, 0, 0] = 5.001
    answer(image, channels=("t1", "t2", "flair"), method=method, recipe=recipe)


@every_form
def test_an_image_of_three_grey_values(answer, method, recipe) -> None:
    image = np.ones((1, 20, 20), np.float32)
    image[:, 5:15, 5:15] = 2
    image[:, 8:12, 8:12] = 3
    answer(image, spacing=None, method=method, recipe=recipe)


@every_form
@pytest.mark.parametrize(("factor", "offset"), [(1e-6, 0.0), (1e6, 0.0), (10.0, 1e5)])
def test_an_image_of_any_scale(answer, method, recipe, factor, offset) -> None:
    image = rough(1, 16, 16) * np.float32(factor) + np.float32(offset)
    means = answer(image, spacing=None, method=method, recipe=recipe).mixture.means
    assert image.min() <= means.min() <= means.max() <= image.max()


@every_form
def test_voxels_without_a_number_are_left_out(answer, method, recipe) -> None:
    image, mask = rough(1, 16, 16), np.ones((1, 16, 16), bool)
    image[:, 3:5, 4:9] = np.nan
    image[:, 8, 8] = np.inf
    mask[~np.isfinite(image)] = False
    answer(image, mask, spacing=None, method=method, recipe=recipe)


@every_form
def test_a_class_that_has_no_voxel_from_the_start(answer, squares, method, recipe) -> None:
    """It is empty, and told so by its name; its mean stays a number."""
    image, _ = squares
    far = ((1.5,), (2.5,), (900.0,))
    result = answer(image, spacing=None, method=method, recipe=recipe, initial_means=far)
    counts = result.label_map.counts()
    empty = {c.name for c in result.label_map.classes if counts[c.value] == 0}
    told = [finding.message for finding in result.findings if finding.code == "empty-class"]
    assert len(told) == len(empty)
    assert all(any(name in message for message in told) for name in empty)
    if method == "blindspot":
        assert empty


@pytest.mark.parametrize("method", ["deepg", "deepsvg"])
def test_classes_that_collapse_into_one(answer, squares, method) -> None:
    """Smoothness beyond all measure: one class takes all, and the others are told to be empty."""
    image, _ = squares
    result = answer(image, spacing=None, method=method, smoothness=100.0, max_steps=150)
    counts = sorted(result.label_map.counts().values())
    assert counts == [0, 0, image.size]
    assert [f.code for f in result.findings].count("empty-class") == 2


@every_form
def test_frames_of_a_time_series(answer, balls, method, recipe) -> None:
    image, truth = balls
    mask = np.stack([truth > 0, truth > 1])
    result = answer(np.stack([image, image])[None], mask, method=method, recipe=recipe)
    assert result.label_map.labels.shape == mask.shape


@every_form
@pytest.mark.parametrize("shape", [(5, 12, 12), (2, 5, 12, 12)], ids=str)
def test_patches_of_a_volume_smaller_than_one(answer, method, recipe, shape) -> None:
    mask = np.ones(shape, bool)
    image = rough(*shape) if len(shape) == 3 else rough(*shape)[None]
    answer(image, mask, method=method, recipe=recipe, view="3d")


@pytest.mark.parametrize("method", ["deepg", "deepsvg", "blindspot"])
def test_patches_of_a_volume_longer_than_one(answer, method) -> None:
    answer(rough(4, 10, 70), method=method, view="3d", max_steps=2, warm_steps=1)


def test_no_seam_is_seen_where_patches_meet(answer) -> None:
    """Two halves of a long bar; patches end in their midst."""
    bar = np.ones((4, 12, 100), np.float32)
    bar[:, 6:] = 2
    image = bar + 0.2 * rough(4, 12, 100)
    result = answer(image, n_classes=2, method="blindspot", view="3d", warm_steps=25, max_steps=25)
    wrong = (result.label_map.labels != bar).mean((0, 1))
    assert wrong.max() < 0.1


def painted(truth, share=0.05):
    """Known classes of some voxels, 0 ... K - 1, a tenth of them against the truth; -1 elsewhere."""
    rng = np.random.default_rng(0)
    classes = truth.astype(int) - 1
    classes = np.where(rng.random(truth.shape) < 0.1, (classes + 1) % 3, classes)
    return np.where((truth > 0) & (rng.random(truth.shape) < share), classes, -1)


@pytest.mark.parametrize("method", ["deepg", "deepsvg", "blindspot", "auto"])
def test_known_voxels_keep_their_class(noisy_slice, segment, method) -> None:
    image, truth = noisy_slice
    fixed = painted(truth)
    known = fixed >= 0
    result = segment(image, truth > 0, spacing=None, method=method, fixed_labels=fixed, max_steps=20, width=4)
    assert (result.label_map.labels[known] == fixed[known] + 1).all()
    assert (np.take_along_axis(result.probabilities, fixed[None].clip(0), 0)[0][known] == 1).all()
    np.testing.assert_allclose(result.probabilities.sum(0)[truth > 0], 1, atol=1e-5)


@pytest.mark.parametrize(("method", "recipe"), [("deepg", "paper"), ("deepsvg", "paper"), ("deepsvg", "code")])
def test_known_voxels_of_a_class_stay_together_in_the_published_recipes(noisy_slice, segment, method, recipe) -> None:
    image, truth = noisy_slice
    fixed = painted(truth)
    how = {"recipe": recipe, "max_steps": 20, "width": 4, "depth": 3}
    labels = segment(image, truth > 0, spacing=None, method=method, fixed_labels=fixed, **how).label_map.labels
    found = [np.unique(labels[fixed == k]).tolist() for k in range(3)]
    assert all(len(values) == 1 for values in found)
    assert len({values[0] for values in found}) == 3
