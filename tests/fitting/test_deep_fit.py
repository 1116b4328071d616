"""Deep mixtures as generators: phases, reports, results, the same bits from the same seed, and nothing left behind."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
import torch

FORMS = ("deepg", "deepsvg", "blindspot")
PHASES = {"deepg": "deepG", "deepsvg": "deepSVG", "blindspot": "Blind-spot prior"}
SPATIAL, WARM = "Spatial mixture", "Network learns the spatial mixture"
#: Enough steps to see how it goes.
FEW = {"warm_steps": 4, "max_steps": 8, "width": 4, "depth": 2}

every_form = pytest.mark.parametrize("method", FORMS)


@pytest.fixture
def few(squares, segment):
    """Fit the squares in a few steps."""
    image, truth = squares

    def run(**settings):
        return segment(image, truth > 0, spacing=None, preset="custom", **{**FEW, **settings})

    return run


@every_form
def test_phases_come_in_order_and_steps_count_up_within_each(few, method) -> None:
    history = few(method=method).history
    phases = [report.phase for report in history]
    assert list(dict.fromkeys(phases)) == [SPATIAL, WARM, PHASES[method]]
    assert phases == sorted(phases, key=[SPATIAL, WARM, PHASES[method]].index)
    spatial = [report.step for report in history if report.phase == SPATIAL]
    network = [report.step for report in history if report.phase != SPATIAL]
    assert spatial == list(range(len(spatial)))
    assert network == list(range(1, 13))
    assert all(report.step <= report.n_steps for report in history)
    assert [report.n_steps for report in history[-12:]] == [12] * 12
    assert np.diff([report.seconds for report in history]).min() >= 0


def test_the_paper_s_recipe_has_one_phase(few) -> None:
    history = few(method="deepsvg", recipe="paper", warm_steps=0).history
    assert {report.phase for report in history} == {"deepSVG"}
    assert [report.step for report in history] == list(range(1, len(history) + 1))


@pytest.mark.parametrize(
    ("settings", "terms"),
    [
        ({"method": "deepg"}, {"total variation"}),
        ({"method": "deepsvg"}, {"total variation"}),
        ({"method": "deepsvg", "smoothness": 0.0}, set()),
        ({"method": "deepsvg", "gradient": "full", "mean_weight": 1.0}, {"total variation", "mean prior"}),
        ({"method": "blindspot"}, set()),
        ({"method": "blindspot", "smoothness": 0.5, "means": "anchored"}, {"total variation"}),
    ],
)
def test_each_loss_term_is_told_by_its_name_with_a_likelihood_after_the_warm_up(few, settings, terms) -> None:
    history = few(**settings).history
    for report in history:
        if report.phase == SPATIAL:
            assert set(report.terms) <= {"mean shift"}
            continue
        warm = report.phase == WARM
        assert set(report.terms) == {"loss", "learning rate"} | ({"imitation"} if warm else terms)
        assert (report.log_likelihood is None) is warm
        assert np.isfinite(list(report.terms.values())).all()
    assert np.isfinite(history[-1].log_likelihood)


def test_the_loss_is_the_weighed_sum_of_its_terms(few) -> None:
    """Without a floor or shares the likelihood is a loss term itself, in standardised intensity."""
    how = {"method": "deepsvg", "recipe": "paper", "warm_steps": 0, "mean_weight": 3.0, "smoothness": 2.0}
    ends = [report for report in few(**how).history if report.phase != SPATIAL]
    offsets = [
        report.terms["loss"]
        + report.log_likelihood
        - 3 * report.terms["mean prior"]
        - 2 * report.terms["total variation"]
        for report in ends
    ]
    assert np.ptp(offsets) < 1e-5


@every_form
def test_the_history_is_every_report_without_its_picture_and_mixture(squares, begin, method) -> None:
    image, truth = squares
    steps, told = begin(image, truth > 0, spacing=None, preset="custom", method=method, **FEW), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            history = end.value.history
            break
    assert len(history) == len(told)
    assert all(report.preview is None and report.mixture is None for report in history)
    assert [(r.phase, r.step, r.terms) for r in history] == [(r.phase, r.step, r.terms) for r in told]
    assert any(report.preview is not None for report in told)
    assert all(report.mixture is not None for report in told)


@every_form
def test_probabilities_sum_to_one_inside_the_mask_and_are_zero_outside(balls, segment, method) -> None:
    image, truth = balls
    result = segment(image, truth > 0, preset="custom", method=method, **FEW)
    maps = [result.probabilities] + ([] if method == "deepg" else [result.prior])
    for each in maps:
        assert each.dtype == np.float32
        np.testing.assert_allclose(each.sum(0)[truth > 0], 1, atol=1e-5)
        assert not each[:, truth == 0].any()
    expected = np.where(truth > 0, result.probabilities.argmax(0) + 1, 0)
    assert (result.label_map.labels == expected).all()
    assert (result.prior is None) is (method == "deepg")


def test_no_prediction_of_the_warm_up_is_averaged_into_the_answer(few) -> None:
    """Three snapshots, five steps apart: of twelve steps the first would lie in the warm-up of four."""
    assert few(method="deepsvg").provenance["snapshots"] == 2
    assert few(method="deepsvg", max_steps=20).provenance["snapshots"] == 3
    assert few(method="deepsvg", recipe="paper", warm_steps=0).provenance["snapshots"] == 1


def test_own_intensity_leads_from_the_prior_to_bayes_rule(few) -> None:
    how = {"method": "blindspot", "max_steps": 40}
    none, all_of_it = (few(**how, own_intensity=weight) for weight in (0.0, 1.0))
    assert none.prior.tobytes() == all_of_it.prior.tobytes()
    np.testing.assert_allclose(none.probabilities, none.prior, atol=1e-6)
    assert np.abs(all_of_it.probabilities - all_of_it.prior).max() > 0.2


@every_form
def test_the_same_seed_gives_the_same_bits_and_another_seed_another_network(few, method) -> None:
    first, again, other = (few(method=method, seed=seed) for seed in (3, 3, 4))
    for one, two in ((first, again),):
        assert one.probabilities.tobytes() == two.probabilities.tobytes()
        assert one.label_map.labels.tobytes() == two.label_map.labels.tobytes()
        assert one.mixture.means.tobytes() == two.mixture.means.tobytes()
        assert [r.terms for r in one.history] == [r.terms for r in two.history]
    assert first.probabilities.tobytes() != other.probabilities.tobytes()


@pytest.mark.parametrize("view", ["2d", "2.5d", "3d"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_bits_in_every_view_and_precision(balls, segment, view, precision) -> None:
    image, truth = balls
    how = {"preset": "custom", "method": "blindspot", "view": view, "precision": precision, **FEW}
    first, again = (segment(image, truth > 0, **how) for _ in range(2))
    assert first.prior.tobytes() == again.prior.tobytes()


def test_two_threads_give_nearly_the_labels_of_one(squares, few, dice) -> None:
    how = {"method": "blindspot", "warm_steps": 25, "max_steps": 60}
    one, two = (dice(few(**how, threads=threads).label_map.labels, squares[1]) for threads in (1, 2))
    assert abs(one - two) <= 0.01
    assert one > 0.8


@every_form
def test_no_global_random_generator_is_touched(few, method) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002
    few(method=method)
    after = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


@every_form
@pytest.mark.parametrize("phase", [SPATIAL, WARM, "network"])
def test_closing_in_any_phase_leaves_nothing_running(squares, begin, method, phase) -> None:
    image, truth = squares
    running, torch_threads = threading.active_count(), torch.get_num_threads()
    steps = begin(image, truth > 0, spacing=None, preset="custom", method=method, threads=torch_threads + 1, **FEW)
    wanted = PHASES[method] if phase == "network" else phase
    while next(steps).phase != wanted:
        pass
    assert torch.get_num_threads() == torch_threads
    steps.close()
    assert torch.get_num_threads() == torch_threads
    assert threading.active_count() == running
    assert next(steps, "nothing more") == "nothing more"


def test_a_deepg_s_likelihood_is_that_of_its_mixture_alone(squares, few) -> None:
    image, truth = squares
    result = few(method="deepg")
    samples = image[truth > 0].astype(float)[:, None]
    variances = np.einsum("gcc->gc", result.mixture.covariances)[:, 0]
    densities = np.exp(-0.5 * (samples - result.mixture.means[:, 0]) ** 2 / variances) / np.sqrt(2 * np.pi * variances)
    expected = np.log(densities @ result.mixture.mixing_weights).mean()
    assert result.log_likelihood == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("method", ["deepsvg", "blindspot"])
def test_the_likelihood_of_the_others_is_that_under_the_prior_of_each_voxel(squares, few, method) -> None:
    image, truth = squares
    result = few(method=method, means="anchored")
    variances = np.einsum("gcc->gc", result.mixture.covariances)[:, 0]
    means = result.mixture.means[:, 0]
    order = result.mixture.class_of
    samples = image[truth > 0].astype(float)[:, None]
    densities = np.exp(-0.5 * (samples - means) ** 2 / variances) / np.sqrt(2 * np.pi * variances)
    prior = np.maximum(result.prior[:, truth > 0].T[:, order], 1e-4)
    assert result.log_likelihood == pytest.approx(np.log((densities * prior).sum(1)).mean(), abs=1e-3)
