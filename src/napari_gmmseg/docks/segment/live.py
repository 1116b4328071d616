"""What of the form a run that is alive, or a result, takes up at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.liveness import LIVENESS
from napari_gmmseg.docks.segment.case import config_of
from napari_gmmseg.docks.segment.choices import Choices


def asked(choices: Choices) -> object:
    """Return what a new run would be asked for, but for what acts live: where it changes, a result is another's.

    Parameters
    ----------
    choices : Choices
        All that is chosen.
    """
    channels = tuple((i.key, i.contrast) for i in choices.images if i.chosen)
    settings = tuple(sorted((k, repr(v)) for k, v in choices.advanced.items() if LIVENESS[k] == "restart"))
    method = (choices.method, settings if choices.method == "advanced" else ())
    return channels, choices.mask, choices.region, choices.axis4, choices.preset, method


def differences(choices: Choices, config: FitConfig, *, running: bool) -> dict[str, Any]:
    """Return the live settings that were chosen otherwise than a session has them.

    Parameters
    ----------
    choices : Choices
        All that is chosen.
    config : FitConfig
        The session's.
    running : bool
        Whether a fit is alive: a result alone goes on with another number of classes only.

    Raises
    ------
    SettingsError
        Where a value is out of bounds or of another kind, or values contradict each other.
    """
    chosen = config_of(choices)
    return {
        name: getattr(chosen, name)
        for name, kind in LIVENESS.items()
        if (kind == "rehead" or (kind == "patch" and running)) and getattr(chosen, name) != getattr(config, name)
    }


def following(choices: Choices, config: FitConfig) -> Choices:
    """Return choices with the live settings of a session, which undo or a merge may have changed.

    Parameters
    ----------
    choices : Choices
        As they were.
    config : FitConfig
        The session's.
    """
    advanced = {
        name: getattr(config, name) if LIVENESS[name] == "patch" else value for name, value in choices.advanced.items()
    }
    return replace(choices, n_classes=config.n_classes, advanced=advanced)
