"""A replay takes the way that the fit took within its memory, whatever memory there is then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.session.journal_making import run_recorded, small_request

from napari_gmmseg.fitting import memory
from napari_gmmseg.session.journal import Replayer, read_history, result_hash
from napari_gmmseg.volumes import Command, Retune


def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have any fit of a network need too much, unless its batches are the smallest."""
    predict = memory.predict

    def much(*case: Any) -> int:
        *_, config, _, savings = case
        learns = config.method != "spatial"
        return 10**15 if learns and savings.batch_slices is None else predict(*case)

    monkeypatch.setattr(memory, "predict", much)


@pytest.mark.parametrize("short_then", [True, False])
@pytest.mark.parametrize("orders", [{}, {8: Retune({"seed": 1})}], ids=["from the start", "begun anew"])
def test_a_fit_is_replayed_with_the_plan_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_then: bool, orders: dict[int, Command]
) -> None:
    with monkeypatch.context() as then:
        if short_then:
            _short(then)
        result = run_recorded(small_request(max_steps=6, warm_steps=2), tmp_path / "session", dict(orders))
    assert result is not None
    history = read_history(tmp_path / "session")
    assert [plan["batch_slices"] for plan in history.runs[0].plans] == [1 if short_then else None] * (1 + len(orders))
    if not short_then:
        _short(monkeypatch)
    assert result_hash(Replayer(history).result()) == result_hash(result)


def test_a_run_that_went_on_from_a_state_goes_on_with_the_plan_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 100_000, 3))
    folder = tmp_path / "session"
    run_recorded(small_request(max_steps=30), folder, ends_after=30, clock=lambda: float(next(ticks)))
    going_on = Replayer(read_history(folder)).continuation()
    assert going_on is not None
    assert going_on.saved is not None
    _short(monkeypatch)
    run_recorded(going_on.request, tmp_path / "on", going_on.orders)
    (before,), (after,) = (read_history(path).runs[0].plans for path in (folder, tmp_path / "on"))
    assert {**after, "at": 0} == {**before, "at": 0}
