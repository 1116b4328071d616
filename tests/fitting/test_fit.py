"""The fit generator: reports, commands, and what it returns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting import fit
from napari_gmmseg.fitting.shading import BIAS_FIELD
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Stop, Volume

METHODS = ["gmm", "svgmm", "spatial"]


def start(image, mask, preset="brain-t1", **settings):
    kind = find_preset(preset)
    volume = Volume.from_array(image, (2.0, 2.0, 2.0), ("t1",))
    prepared = prepare(volume, PreparationConfig(mask="given"), mask=mask, preset=kind)
    return fit(volume, prepared, FitConfig(threads=1, **settings), kind)


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_sum_to_one_inside_the_mask_and_are_zero_outside(noisy_brain, segment, method) -> None:
    image, truth = noisy_brain
    result = segment(image, truth > 0, method=method)
    total = result.probabilities.sum(0)
    np.testing.assert_allclose(total[truth > 0], 1, atol=1e-5)
    assert not total[truth == 0].any()
    assert not result.label_map.labels[truth == 0].any()
    assert set(np.unique(result.label_map.labels[truth > 0])) == {1, 2, 3}
    assert (result.label_map.labels == np.where(truth > 0, result.probabilities.argmax(0) + 1, 0)).all()


def test_the_spatial_mixture_beats_the_gmm_on_a_noisy_brain(noisy_brain, segment, dice) -> None:
    image, truth = noisy_brain
    plain = dice(segment(image, truth > 0, method="gmm").label_map.labels, truth)
    spatial = dice(segment(image, truth > 0, method="spatial", neighbour_weight=1.0).label_map.labels, truth)
    assert spatial > plain + 0.02


def test_the_first_report_of_the_spatial_mixture_has_a_mask(noisy_brain) -> None:
    image, truth = noisy_brain
    steps = start(image, truth > 0, method="spatial")
    report = next(steps)
    steps.close()
    assert report.step == 0
    assert report.preview is not None
    assert report.preview.shape == truth.shape
    assert set(np.unique(report.preview)) == {0, 1, 2, 3}


@pytest.mark.parametrize("method", METHODS)
def test_stop_returns_the_best_so_far_and_says_so(noisy_brain, method) -> None:
    image, truth = noisy_brain
    steps = start(image, truth > 0, method=method, tolerance=1e-9)
    next(steps)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Stop())
    result = end.value.value
    assert result.stopped
    assert result.steps <= 2
    assert "stopped-early" in {finding.code for finding in result.findings}
    assert set(np.unique(result.label_map.labels)) == {0, 1, 2, 3}


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_stopped_after_a_step_is_that_of_so_many_steps(noisy_brain, segment, method) -> None:
    image, truth = noisy_brain
    steps = start(image, truth > 0, method=method, tolerance=1e-9)
    while (report := next(steps)).step < 3 or report.phase == BIAS_FIELD:
        pass
    with pytest.raises(StopIteration) as end:
        steps.send(Stop())
    stopped, limited = end.value.value, segment(image, truth > 0, method=method, tolerance=1e-9, max_steps=3)
    assert (stopped.label_map.labels == limited.label_map.labels).all()
    np.testing.assert_allclose(stopped.probabilities, limited.probabilities, atol=1e-6)


def test_a_stop_in_a_worse_start_keeps_the_likelier(noisy_brain) -> None:
    image, truth = noisy_brain
    image[truth > 0] += np.where(truth[truth > 0] == 1, -2, 0)
    settings = {"method": "gmm", "n_starts": 2, "tolerance": 1e-6, "n_classes": 4}
    reports = []
    steps = start(image, truth > 0, bias_field="off", **settings)
    reports.append(next(steps))
    while len(reports) < 2 or reports[-1].log_likelihood >= reports[-2].log_likelihood - 1e-9:
        reports.append(next(steps))
    with pytest.raises(StopIteration) as end:
        steps.send(Stop())
    assert end.value.value.log_likelihood == reports[-2].log_likelihood


@pytest.mark.parametrize("method", METHODS)
def test_closing_leaves_the_number_of_threads_as_it_was(noisy_brain, method) -> None:
    image, truth = noisy_brain
    before = torch.get_num_threads()
    kind = find_preset("brain-t1")
    volume = Volume.from_array(image, (2.0, 2.0, 2.0), ("t1",))
    prepared = prepare(volume, PreparationConfig(mask="given"), mask=truth > 0, preset=kind)
    steps = fit(volume, prepared, FitConfig(method=method, threads=before + 1), kind)
    next(steps)
    assert torch.get_num_threads() == before
    steps.close()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("contrast", "turn"), [("t1", 1.0), ("t2", -1.0), ("pd", -1.0)])
def test_classes_are_named_by_contrast(brain, segment, contrast, turn, dice) -> None:
    image, truth = brain
    result = segment(turn * image + 2, truth > 0, channels=(contrast,), method="gmm")
    assert [c.abbreviation for c in result.label_map.classes] == ["CSF", "GM", "WM"]
    assert dice(result.label_map.labels, truth) > 0.75


def test_flair_ranks_white_matter_between_csf_and_grey_matter(brain, segment, dice) -> None:
    _, truth = brain
    image = np.choose(truth, [0, 0.2, 0.9, 0.6]) + np.random.default_rng(1).normal(0, 0.02, truth.shape)
    result = segment(image.astype(np.float32), truth > 0, channels=("flair",), method="gmm")
    assert dice(result.label_map.labels, truth) > 0.99


def test_other_numbers_of_classes_are_numbered_by_rising_mean(brain, segment) -> None:
    image, truth = brain
    result = segment(image, truth > 0, method="gmm", n_classes=5)
    assert [c.name for c in result.label_map.classes] == [f"Class {k}" for k in range(1, 6)]
    assert (np.diff(result.mixture.class_means()[:, 0][np.unique(result.mixture.class_of)]) > 0).all()


def test_the_mixture_of_a_result_is_in_class_order(brain, segment) -> None:
    image, truth = brain
    result = segment(-image, truth > 0, channels=("t2",), method="spatial")
    means = result.mixture.class_means()[:, 0]
    for k, value in enumerate(result.label_map.classes.values):
        assert abs(-image[result.label_map.labels == value].mean() - means[k]) < 0.05


def test_frames_of_a_time_series_are_fitted_together_and_do_not_touch(noisy_brain, segment) -> None:
    image, truth = noisy_brain
    series = np.stack([image, image])[None]
    mask = np.stack([truth > 0, truth > 0])
    result = segment(series, mask, method="spatial")
    assert result.label_map.labels.shape == mask.shape
    assert (result.label_map.labels[0] == result.label_map.labels[1]).all()
    single = segment(image, truth > 0, method="spatial").label_map.labels
    assert np.mean(result.label_map.labels[0] == single) > 0.999


def test_fixed_voxels_keep_their_class(noisy_brain, segment) -> None:
    image, truth = noisy_brain
    fixed = np.full(truth.shape, -1)
    rng = np.random.default_rng(0)
    for value in (1, 2, 3):
        found = np.flatnonzero(truth == value)
        fixed.reshape(-1)[rng.choice(found, 200, replace=False)] = value - 1
    for method in METHODS:
        labels = segment(image, truth > 0, method=method, fixed_labels=fixed).label_map.labels
        assert (labels[fixed >= 0] == fixed[fixed >= 0] + 1).all(), method


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_three_channels_are_fitted(brain, segment, dice, method, covariance) -> None:
    _, truth = brain
    rng = np.random.default_rng(2)
    contrasts = ([0, 0.2, 0.6, 1.0], [0, 1.0, 0.6, 0.3], [0, 0.2, 0.9, 0.6])
    image = np.stack([np.choose(truth, c) + rng.normal(0, 0.15, truth.shape) for c in contrasts]).astype(np.float32)
    result = segment(
        image,
        truth > 0,
        channels=("t1", "t2", "flair"),
        preset="brain-multi",
        method=method,
        covariance=covariance,
    )
    assert dice(result.label_map.labels, truth) > 0.9


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 24, 20), (6, 5, 4)])
def test_few_voxels_and_slices_give_no_nan(segment, method, shape) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    result = segment(image, np.ones(shape, bool), spacing=None, preset="custom", method=method, n_classes=8)
    assert np.isfinite(result.probabilities).all()
    assert np.isfinite(result.mixture.means).all()
    assert result.label_map.labels.min() >= 1


def test_several_gaussians_of_a_class_share_its_label(noisy_brain, segment, dice) -> None:
    image, truth = noisy_brain
    for method in ("gmm", "spatial"):
        result = segment(image, truth > 0, method=method, gaussians_per_class=(2, 1, 2))
        assert len(result.mixture.means) == 5
        assert result.probabilities.shape[0] == 3
        assert dice(result.label_map.labels, truth) > 0.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gaussians_per_class": (1, 2)}, "Gaussians per class"),
        ({"device": "cuda:7"}, "sees no device"),
        ({"n_classes": 3, "initial_means": ((1.0, 2.0),)}, "Start means"),
    ],
)
def test_settings_that_do_not_fit_are_told(brain, settings, words) -> None:
    image, truth = brain
    with pytest.raises(SettingsError, match=words) as caught:
        next(start(image, truth > 0, **settings))
    assert caught.value.hint


def test_a_mask_smaller_than_the_number_of_classes_is_refused(brain) -> None:
    image, truth = brain
    mask = np.zeros_like(truth, dtype=bool)
    mask[np.unravel_index(np.flatnonzero(truth == 2)[:2], truth.shape)] = True
    with pytest.raises(SettingsError, match="2 voxels"):
        next(start(image, mask))


def test_a_class_under_one_percent_is_doubted(brain, segment) -> None:
    _, truth = brain
    image = truth.astype(np.float32)
    image.reshape(-1)[np.flatnonzero(truth == 3)[:100]] = 9
    result = segment(
        image + 0.01 * np.random.default_rng(0).normal(size=image.shape).astype(np.float32),
        truth > 0,
        n_classes=4,
        method="gmm",
        initialisation="k-means++",
        n_starts=3,
    )
    smallest = min(result.label_map.counts().values()) / (truth > 0).sum()
    assert ("small-class" in {f.code for f in result.findings}) == (smallest < 0.01)
    assert smallest < 0.01


@pytest.mark.parametrize("channels", [("bssfp",), ("lge", "t2")])
def test_a_heart_without_its_three_sequences_gets_no_oedema_and_no_scar(segment, channels) -> None:
    image = np.random.default_rng(0).normal(size=(len(channels), 4, 20, 20)).astype(np.float32)
    result = segment(image, np.ones(image.shape[1:], bool), channels=channels, preset="cardiac", n_classes=4)
    assert [c.name for c in result.label_map.classes] == [f"Class {k}" for k in range(1, 5)]
    assert "missing-contrasts" in {f.code for f in result.findings}


def test_a_contrast_of_unknown_order_is_told_and_names_nothing(brain, segment) -> None:
    image, truth = brain
    result = segment(image, truth > 0, channels=("adc",), method="gmm")
    assert result.label_map.classes[0].name == "Class 1"
    assert "unknown-contrast" in {f.code for f in result.findings}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("label", [3, -2])
def test_a_fixed_label_of_no_class_is_refused(noisy_brain, segment, method, label) -> None:
    image, truth = noisy_brain
    fixed = np.full(truth.shape, -1)
    fixed[tuple(np.argwhere(truth == 2)[0])] = label
    with pytest.raises(SettingsError, match=str(label)):
        segment(image, truth > 0, method=method, fixed_labels=fixed)


@pytest.mark.parametrize(("factor", "offset"), [(10.0, 1e5), (1e6, 0.0), (1e-6, 0.0), (-1.0, 0.0)])
@pytest.mark.parametrize("method", METHODS)
def test_class_spreads_follow_scale_and_offset(noisy_brain, segment, method, factor, offset) -> None:
    image, truth = noisy_brain
    contrast = ("t1",) if factor > 0 else ("t2",)
    plain = segment(image, truth > 0, method=method)
    moved = segment(image * np.float32(factor) + np.float32(offset), truth > 0, method=method, channels=contrast)
    assert np.mean(moved.label_map.labels == plain.label_map.labels) > 0.999
    stds = [np.sqrt(spreads(result)) for result in (plain, moved)]
    np.testing.assert_allclose(stds[1], stds[0] * abs(factor), rtol=0.02)
    assert moved.log_likelihood == pytest.approx(plain.log_likelihood - np.log(abs(factor)), abs=0.01)


def spreads(result):
    order = np.argsort(result.mixture.class_of)
    return result.mixture.covariances[order, 0, 0]


def test_classes_of_one_grey_value_keep_the_least_spread_in_the_spatial_mixture(segment) -> None:
    image = np.ones((4, 20, 20), np.float32)
    image[:, 5:15, 5:15], image[:, 8:12, 8:12] = 2, 3
    floor = 0.02 * image.std()
    for channels in (("t1",), ("t1", "t2")):
        both = np.stack([image, 5 - image])[: len(channels)]
        result = segment(both, np.ones(image.shape, bool), channels=channels, preset="custom", method="spatial")
        assert (result.label_map.labels == image).all()
        stds = np.sqrt(np.einsum("gcc->gc", result.mixture.covariances))
        np.testing.assert_allclose(stds, floor, rtol=1e-3)


def test_equal_start_means_are_put_apart_in_the_spatial_mixture(noisy_brain, segment) -> None:
    image, truth = noisy_brain
    result = segment(image, truth > 0, method="spatial", initial_means=((0.8,), (0.8,), (1.0,)))
    assert np.isfinite(result.probabilities).all()
    np.testing.assert_allclose(result.probabilities.sum(0)[truth > 0], 1, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_class_is_told_once_and_by_its_name(noisy_brain, segment, method) -> None:
    image, truth = noisy_brain
    result = segment(image, truth > 0, method=method, means="fixed", initial_means=((0.5,), (0.9,), (900.0,)))
    told = [finding for finding in result.findings if finding.code == "empty-class"]
    counts = result.label_map.counts()
    empty = [c.name for c in result.label_map.classes if counts[c.value] == 0]
    assert empty
    assert len(told) == len(empty)
    assert all(name in finding.message for name, finding in zip(empty, told, strict=True))
