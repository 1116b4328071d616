"""Memory that runs out while a network is trained: it goes on from the last step, with less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.fitting.live_runs import FAST, play, same_bits, slab_case, slice_case

from napari_gmmseg.errors import ResourceError
from napari_gmmseg.fitting.deep.training import Trainer
from napari_gmmseg.fitting.runtime import ran_out
from napari_gmmseg.volumes import Retune, SaveState

ERRORS = [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("[enforce] can't allocate memory")]


def failing(
    monkeypatch: pytest.MonkeyPatch, name: str, when: Callable[[int, Any], bool], error: Exception
) -> list[int]:
    """Let a method of the trainer raise an error where a condition on its call's number and tensor holds."""
    calls: list[int] = []
    method = getattr(Trainer, name)

    def may_fail(self: Trainer, *arguments: Any) -> Any:
        calls.append(len(calls) + 1)
        # The first call's work is done before it fails: what a step changes must come back.
        if when(calls[-1], arguments[0]):
            if name == "flipped_logits":
                method(self, *arguments)
            raise error
        return method(self, *arguments)

    monkeypatch.setattr(Trainer, name, may_fail)
    return calls


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_the_batch_is_halved_and_the_step_done_again(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    sizes: list[int] = []

    def at_seven(call: int, inputs: torch.Tensor) -> bool:
        sizes.append(len(inputs))
        return call == 7

    failing(monkeypatch, "flipped_logits", at_seven, error)
    run = slab_case().run(method="blindspot", **FAST)
    assert sizes == [2] * 7 + [1] * (len(sizes) - 7)
    steps = [report.step for report in run.reports if report.phase != "Spatial mixture"]
    assert steps == list(range(1, FAST["warm_steps"] + FAST["max_steps"] + 1))
    (told,) = [finding for report in run.reports for finding in report.findings]
    assert told.code == "out-of-memory"
    assert "after step 6" in told.message
    assert "1 piece a step" in told.message
    assert told in run.result.findings


def test_a_step_that_failed_leaves_no_trace() -> None:
    """Six steps with two slices, then one slice a step: the same as if the batch had been halved without a failure."""
    case = slab_case()
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "flipped_logits", lambda call, _: call == 7, MemoryError())
        failed = case.run({12 + 8: SaveState()}, method="blindspot", **FAST)
    planned = case.run({13 + 5: SaveState()}, method="blindspot", **FAST).states[0]
    assert planned.meta["step"] == 6
    smaller = {**planned.meta, "savings": {"batch_slices": 1, "precision": None}}
    rest = case.run(state=type(planned)(planned.arrays, planned.start, planned.start_key, smaller))
    assert same_bits(rest.result, failed.result)


def test_a_single_slice_that_does_not_fit_the_processor_ends_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "flipped_logits", lambda call, _: call >= 5, MemoryError())
    with pytest.raises(ResourceError, match="one piece at a time") as raised:
        slice_case().run(method="deepsvg", **FAST)
    assert "smaller mask" in raised.value.hint


def test_what_a_card_has_no_memory_for_goes_on_from_its_last_step_on_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = slice_case()
    plain = case.run(method="blindspot", **FAST)
    monkeypatch.setattr("napari_gmmseg.fitting.deep.surviving._on_card", lambda training: True)
    failing(monkeypatch, "flipped_logits", lambda call, _: call == 7, torch.OutOfMemoryError("CUDA out of memory."))
    run = case.run(method="blindspot", **FAST)
    assert same_bits(run.result, plain.result)
    (told,) = [finding for finding in run.result.findings if finding.code == "out-of-memory"]
    assert "after step 6: it went on from there, on the processor" in told.message


def test_a_prediction_that_fails_goes_on_from_the_pieces_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    case = slab_case()
    settings = {"method": "blindspot", "view": "2d", **FAST}
    plain = case.run(**settings)
    monkeypatch.setattr("napari_gmmseg.fitting.deep.surviving._on_card", lambda training: True)
    # Four pieces are done, then two, one and none fit: on the processor the last two are added.
    failing(monkeypatch, "add_prior", lambda call, _: call in (2, 3, 4), torch.OutOfMemoryError("CUDA out of memory."))
    run = case.run(**settings)
    assert same_bits(run.result, plain.result)
    assert [f.code for f in run.result.findings].count("out-of-memory") == 3


def test_predictions_are_made_of_fewer_pieces_at_once_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    case = slab_case()
    settings = {"method": "blindspot", "view": "2d", **FAST}
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "add_prior", lambda call, _: call == 2, MemoryError())
        run = case.run(**settings)
    plain = case.run(**settings)
    np.testing.assert_allclose(run.result.prior, plain.result.prior, atol=0.02)
    np.testing.assert_allclose(run.result.prior.sum(0)[case.truth > 0], 1, atol=1e-5)
    assert [finding.code for finding in run.result.findings if finding.code == "out-of-memory"]


def test_another_error_is_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "flipped_logits", lambda call, _: call == 3, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        slice_case().run(method="deepsvg", **FAST)


def test_a_smaller_batch_stays_small_when_classes_change_and_after_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    case = slab_case()
    sizes: list[int] = []

    def at_three(call: int, inputs: torch.Tensor) -> bool:
        sizes.append(len(inputs))
        return call == 3

    failing(monkeypatch, "flipped_logits", at_three, MemoryError())
    run = case.run({18: Retune({"n_classes": 4}), 20: SaveState()}, method="deepsvg", **FAST)
    assert set(sizes[3:]) == {1}
    sizes.clear()
    rest = play(case.begin(state=run.states[0]))
    assert set(sizes) == {1}
    assert same_bits(rest.result, run.result)
    assert [f.code for f in rest.result.findings].count("out-of-memory") == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        *((error, True) for error in ERRORS),
        (RuntimeError("MPS backend out of memory (allocated 9 GB)"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(error: Exception, expected: bool) -> None:
    assert ran_out(error) is expected
