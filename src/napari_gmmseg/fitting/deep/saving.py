"""Put a training away, and take it up again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.fitting.deep.training import Trainer
from napari_gmmseg.fitting.progress import Fitted
from napari_gmmseg.volumes import Finding, FitState, Mixture

_MIXTURE = ("mixing_weights", "means", "covariances", "class_of")


@dataclass(frozen=True)
class Mark:
    """Where a training stands before a step.

    Parameters
    ----------
    steps : int
        Taken.
    generator : Tensor (n,) uint8
        The random state.
    left : tuple of int
        Pieces that were drawn and not yet given out.
    running : dict of str to Tensor, of any shape
        Of the objective.
    norms : tuple of Tensor, of any shape
        Copies of the network's running means and variances.
    """

    steps: int
    generator: Tensor
    left: tuple[int, ...]
    running: dict[str, Tensor]
    norms: tuple[Tensor, ...]


def trainer_arrays(trainer: Trainer) -> dict[str, np.ndarray]:
    """Return the weights of a network and the state of its optimiser.

    Parameters
    ----------
    trainer : Trainer
        With both.

    Returns
    -------
    dict of str to ndarray
        Copies, named as torch names them.
    """
    arrays = {f"network/{name}": value.cpu().numpy().copy() for name, value in trainer.network.state_dict().items()}
    for index, state in trainer.optimiser.state_dict()["state"].items():
        for name, value in state.items():
            arrays[f"optimiser/{index}/{name}"] = torch.as_tensor(value).cpu().numpy().copy()
    return arrays


def load_trainer_(trainer: Trainer, arrays: Any) -> None:
    """Bring back weights and optimiser, in place.

    Parameters
    ----------
    trainer : Trainer
        Of the same network.
    arrays : mapping of str to ndarray
        From `trainer_arrays`.
    """
    device = next(trainer.network.parameters()).device

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(arrays[name]))

    weights = {name: tensor(f"network/{name}").to(device) for name in trainer.network.state_dict()}
    trainer.network.load_state_dict(weights)
    states: dict[int, dict[str, torch.Tensor]] = {}
    parameters = list(trainer.network.parameters())
    for name in arrays:
        if name.startswith("optimiser/"):
            _, index, key = name.split("/")
            value = tensor(name)
            # A fused optimiser walks through memory: its averages have to lie there as the weights do.
            like = parameters[int(index)]
            value = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            states.setdefault(int(index), {})[key] = value
    whole = trainer.optimiser.state_dict()
    trainer.optimiser.load_state_dict({**whole, "state": states})


def base_arrays(base: Fitted) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the spatial mixture that a training starts from: arrays, and what JSON can hold.

    Parameters
    ----------
    base : Fitted
        The mixture.
    """
    arrays = {f"mixture/{name}": np.array(getattr(base.mixture, name)) for name in _MIXTURE}
    arrays["memberships"] = base.memberships.cpu().numpy().copy()
    noted = {
        "log_likelihood": base.log_likelihood,
        "steps": base.steps,
        "notes": [list(note) for note in base.notes],
        "findings": [asdict(finding) for finding in base.findings],
    }
    return arrays, noted


def base_of(state: FitState, device: torch.device) -> Fitted:
    """Return the spatial mixture that a training started from.

    Parameters
    ----------
    state : FitState
        That was put away.
    device : torch.device
        Where to.
    """
    mixture = Mixture(**{name: np.array(state.start[f"mixture/{name}"]) for name in _MIXTURE})
    noted = state.meta["base"]
    return Fitted(
        torch.from_numpy(np.array(state.start["memberships"])).to(device),
        mixture,
        float(noted["log_likelihood"]),
        int(noted["steps"]),
        tuple(Finding(**finding) for finding in noted.get("findings", ())),
        tuple((str(name), float(value)) for name, value in noted["notes"]),
    )
