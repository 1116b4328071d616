"""Where a training stands after an epoch, so that it can be gone on with to the same bits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.supervised.learner import Learner
from napari_gmmseg.volumes import FitState

#: Settings that may differ: they do not change what is learnt (threads: but for rounding).
_FREE = ("device", "threads")
_ANEW = "Give the same ones; or remove the file OUTPUT.unfinished.safetensors, and begin anew without --resume."


def state_of(learner: Learner) -> FitState:
    """Return where a training stands: weights, the best ones, and the optimiser's means.

    Parameters
    ----------
    learner : Learner
        Between two epochs.
    """
    arrays = {f"network/{name}": _array(value) for name, value in learner.network.state_dict().items()}
    arrays |= {f"best/{name}": _array(value) for name, value in learner.best.items()}
    for index, held in learner.optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser/{index}/{name}": _array(value) for name, value in held.items()}
    meta = {
        "settings": _plain(asdict(learner.config)),
        "trained_on": learner.identity,
        "history": [dict(told) for told in learner.history],
        "best_epoch": learner.best_epoch,
        "holds_batch_norms": learner.holds_batch_norms,
    }
    return FitState(arrays=arrays, start={}, start_key="", meta=meta)


def restore(learner: Learner, state: FitState) -> None:
    """Put a training where an earlier one stood.

    Parameters
    ----------
    learner : Learner
        With the same cases and settings; changed in place.
    state : FitState
        From `state_of`.

    Raises
    ------
    SettingsError
        Where cases or settings are others.
    """
    own, then = _plain(asdict(learner.config)), dict(state.meta["settings"])
    other = sorted(name for name in own.keys() | then.keys() if own.get(name) != then.get(name) and name not in _FREE)
    if other:
        told = ", ".join(f"{name} {then.get(name)!r} (now {own.get(name)!r})" for name in other[:4])
        raise SettingsError(
            f"The unfinished training had other settings: {told}.",
            _ANEW,
        )
    if state.meta["trained_on"] != learner.identity:
        raise SettingsError(
            "The unfinished training had other cases, channels or classes, or other parts of them.",
            _ANEW,
        )
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in state.arrays.items()}
    learner.network.load_state_dict(_part(tensors, "network/"))
    learner.best = _part(tensors, "best/")
    held = _part(tensors, "optimiser/")
    values = learner.optimiser.state_dict()
    values["state"] = {
        int(index): _part(held, f"{index}/") for index in sorted({name.partition("/")[0] for name in held}, key=int)
    }
    learner.optimiser.load_state_dict(values)
    learner.history = [dict(told) for told in state.meta["history"]]
    learner.best_epoch = int(state.meta["best_epoch"])
    learner.holds_batch_norms = bool(state.meta["holds_batch_norms"])


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings as they come back from JSON."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _array(value: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = value.detach().cpu().numpy().copy()
    return found


def _part(values: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
