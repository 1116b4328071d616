"""How steps are taken: stopping rule, learning rate, which pieces are drawn, and predictions that leave no trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_gmmseg.config.recipes import RECIPES
from napari_gmmseg.fitting.deep.stacks import PatchStack, SliceStack
from napari_gmmseg.fitting.deep.training import Draws, Plateau, Schedule, Trainer, draw_axes, safe_precision
from napari_gmmseg.networks import UNet

CPU = torch.device("cpu")
TUNED = RECIPES["deepsvg", "tuned"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def stops_at(plateau, values):
    """Return the step, from 1, at which the rule first says stop; None where it never does."""
    return next((step for step, nll in enumerate(values, 1) if plateau.reached(nll)), None)


def test_the_paper_s_rule_compares_each_step_with_the_one_before() -> None:
    assert stops_at(Plateau(1, 1e-3, 1), [3.0, 2.0, 1.5, 1.4995, 1.0]) == 4
    assert stops_at(Plateau(1, 1e-3, 1), [3.0, 3.0005]) == 2


def test_the_published_program_does_not_stop_in_its_first_ten_steps() -> None:
    assert stops_at(Plateau(1, 1e-3, 10), [1.0] * 20) == 11


def test_windows_see_through_steps_that_swing_and_one_step_does_not() -> None:
    falling = [5 - 0.1 * step + (0.05 if step % 2 else -0.05) for step in range(40)]
    assert stops_at(Plateau(1, 1e-3, 1), falling) == 2
    assert stops_at(Plateau(10, 1e-3, 1), falling) is None
    settled = [1 + (0.05 if step % 2 else -0.05) for step in range(40)]
    assert stops_at(Plateau(10, 1e-3, 1), settled) == 20


def test_a_window_is_left_by_the_mean_of_its_steps() -> None:
    """Means of five steps, 0.01 apart: 0.002 nat a step."""
    values = [1 - 0.002 * step for step in range(30)]
    assert stops_at(Plateau(5, 0.0099, 1), values) is None
    assert stops_at(Plateau(5, 0.0101, 1), values) == 10


def test_the_rule_does_not_look_before_its_least_steps() -> None:
    assert stops_at(Plateau(2, 1e-3, 17), [1.0] * 30) == 18


def test_a_tolerance_of_nothing_never_stops() -> None:
    assert stops_at(Plateau(1, 0.0, 1), [1.0] * 50) is None


def test_a_rate_that_does_not_decay_stays_and_ends_at_once() -> None:
    schedule = Schedule(RECIPES["deepsvg", "paper"])
    assert schedule.end == 200
    assert {schedule.rate(step) for step in range(1, 201)} == {1e-3}
    schedule.settle(37)
    assert schedule.end == 37


def test_a_rate_that_decays_falls_in_the_second_half_to_a_twentieth() -> None:
    schedule = Schedule(replace(TUNED, warm_steps=20, max_steps=180, learning_rate=1.0))
    rates = [schedule.rate(step) for step in range(1, 201)]
    assert set(rates[:100]) == {1.0}
    assert rates == sorted(rates, reverse=True)
    assert rates[149] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0.05)


def test_a_rate_falls_after_the_share_of_steps_that_a_recipe_says() -> None:
    schedule = Schedule(replace(TUNED, warm_steps=20, max_steps=180, learning_rate=1.0, falls_from=0.25))
    rates = [schedule.rate(step) for step in range(1, 201)]
    assert set(rates[:50]) == {1.0}
    assert rates[50] < 1.0
    assert rates[124] == pytest.approx(0.5)


def test_once_settled_a_rate_that_decays_falls_in_thirty_steps() -> None:
    schedule = Schedule(replace(TUNED, warm_steps=20, max_steps=180, learning_rate=1.0))
    schedule.settle(60)
    assert schedule.end == 90
    assert schedule.rate(60) == 1.0
    assert schedule.rate(75) == pytest.approx(0.5)
    schedule.settle(61)
    assert schedule.end == 90


def test_what_settles_late_ends_as_it_would_have() -> None:
    schedule = Schedule(replace(TUNED, warm_steps=20, max_steps=180))
    before = [schedule.rate(step) for step in range(120, 201)]
    schedule.settle(120)
    assert schedule.end == 200
    assert [schedule.rate(step) for step in range(120, 201)] == before


@pytest.mark.parametrize("per_step", [1, 3, 4, 7, 20])
def test_each_piece_is_drawn_once_a_round(per_step) -> None:
    pieces = torch.tensor([2, 3, 5, 7, 11, 13, 17])
    draws = Draws(pieces, per_step, seeded())
    drawn = [piece for _ in range(7 * 4) for piece in draws.next()]
    rounds = [drawn[at : at + 7] for at in range(0, len(drawn) - 6, 7)]
    assert len(rounds) >= 4
    assert all(sorted(one) == pieces.tolist() for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert draws.steps_per_round == -(-7 // min(per_step, 7))


def test_draws_follow_their_generator() -> None:
    pieces = torch.arange(30)
    first, again, other = (Draws(pieces, 10, seeded(seed)).next() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("n_dims", [2, 3])
def test_each_axis_is_mirrored_half_of_the_time_by_itself(n_dims) -> None:
    generator = seeded()
    drawn = [draw_axes(n_dims, generator) for _ in range(800)]
    assert {axis for axes in drawn for axis in axes} == set(range(-n_dims, 0))
    for wanted in {(), (-1,), (-2,), (-2, -1)} if n_dims == 2 else {(), (-3,), (-3, -2, -1)}:
        assert drawn.count(wanted) / 800 == pytest.approx(0.5**n_dims, abs=0.05)


def trainer(precision="float32", n_dims=2):
    network = UNet(2, 3, width=4, depth=1, n_dims=n_dims, published=False, generator=seeded())
    return Trainer(network, TUNED, CPU, precision)


def test_a_prediction_leaves_no_trace_in_training() -> None:
    inputs = torch.randn(2, 2, 8, 8, generator=seeded())
    disturbed, plain = trainer(), trainer()
    for step in range(3):
        if step:
            disturbed.prior(5 * inputs)
        for each in (disturbed, plain):
            each.step(each.logits(inputs).square().mean(), 1e-2)
    assert disturbed.network.training
    for a, b in zip(disturbed.network.state_dict().values(), plain.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_logits_of_mirrored_inputs_are_mirrored_back() -> None:
    """A network that looks at one voxel at a time does not see which way its neighbours lie."""
    pointwise = Trainer(torch.nn.Conv2d(2, 3, 1), TUNED, CPU, "float32")
    inputs = torch.randn(1, 2, 5, 6, generator=seeded())
    for axes in ((), (-1,), (-2, -1)):
        torch.testing.assert_close(pointwise.flipped_logits(inputs, axes), pointwise.logits(inputs))
    whole = trainer()
    assert not torch.allclose(whole.flipped_logits(inputs, (-1,)), whole.logits(inputs))


@pytest.mark.parametrize("n_dims", [2, 3])
def test_logits_are_float32_whatever_the_network_computes_in(n_dims) -> None:
    inputs = torch.randn(1, 2, *(12,) * n_dims, generator=seeded())
    low, full = (trainer(precision, n_dims) for precision in ("bfloat16", "float32"))
    assert (low.precision, full.precision) == ("bfloat16", "float32")
    assert low.logits(inputs).dtype is torch.float32
    torch.testing.assert_close(low.logits(inputs), full.logits(inputs), rtol=0.1, atol=0.1)


def test_a_class_s_share_of_all_voxels_is_predicted_piece_by_piece() -> None:
    mask = torch.ones(5, 9, 7, dtype=torch.bool)
    seen = torch.randn(2, 5, 9, 7, generator=seeded())
    predicting = trainer()
    total = torch.zeros(3, 5, 9, 7)
    slices = SliceStack(mask, -3)
    for pieces in (range(2), range(2, slices.n_pieces)):
        predicting.add_prior(slices, seen, total, pieces)
    torch.testing.assert_close(total, predicting.prior(seen.transpose(0, 1)).transpose(0, 1))
    torch.testing.assert_close(total.sum(0), torch.ones(5, 9, 7))


def test_a_mirrored_prediction_is_mirrored_back() -> None:
    inputs = torch.randn(2, 2, 9, 7, generator=seeded())
    predicting = trainer()
    axes = (-2, -1)
    mirrored = predicting.prior(inputs.flip(axes)).flip(axes)
    torch.testing.assert_close(predicting.prior(inputs, axes), mirrored)
    assert not torch.allclose(mirrored, predicting.prior(inputs), atol=1e-3)


def test_patches_predict_each_voxel_once() -> None:
    mask = torch.ones(4, 6, 55, dtype=torch.bool)
    total = torch.zeros(3, 4, 6, 55)
    patches = PatchStack(mask)
    seen = torch.randn(2, 4, 6, 55, generator=seeded())
    trainer(n_dims=3).add_prior(patches, seen, total, range(patches.n_pieces))
    torch.testing.assert_close(total.sum(0), torch.ones(4, 6, 55))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((8, 40, 40), "float32"), ((3, 9, 9), "float32"), ((9, 8, 8), "bfloat16"), ((48,) * 3, "bfloat16")],
)
def test_thin_patches_train_in_float32_on_the_processor(size, expected) -> None:
    assert safe_precision("bfloat16", size, 4, CPU) == expected
    assert safe_precision("bfloat16", size, 4, torch.device("cuda")) == "bfloat16"
    assert safe_precision("bfloat16", size[1:], 4, CPU) == "bfloat16"
