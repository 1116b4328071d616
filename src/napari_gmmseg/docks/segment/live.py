"""What of the form a run that is alive, or a result, takes up at once."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.liveness import LIVENESS
from napari_gmmseg.config.outlier import FIT_OUTLIER_FIELDS
from napari_gmmseg.docks.segment.case import config_of
from napari_gmmseg.docks.segment.choices import Choices
from napari_gmmseg.session import SegmentationRequest


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
        # Those of the outlier-region loss are chosen in a dock of their own.
        if name not in FIT_OUTLIER_FIELDS
        and (kind == "rehead" or (kind == "patch" and running))
        and getattr(chosen, name) != getattr(config, name)
    }


def chosen_otherwise(wanted: FitConfig, now: FitConfig) -> dict[str, Any]:
    """Return the settings that are wanted otherwise than a session has them, but for those of other docks.

    Parameters
    ----------
    wanted, now : FitConfig
        As chosen, and as the session has them.
    """
    names = [f.name for f in fields(now) if f.name not in FIT_OUTLIER_FIELDS]
    return {name: getattr(wanted, name) for name in names if getattr(wanted, name) != getattr(now, name)}


def with_outliers(request: SegmentationRequest, now: FitConfig) -> SegmentationRequest:
    """Return a request with the outlier-region loss as a session has it, to which that loss's dock speaks.

    Parameters
    ----------
    request : SegmentationRequest
        As chosen.
    now : FitConfig
        The session's settings.
    """
    held = {name: getattr(now, name) for name in FIT_OUTLIER_FIELDS}
    return replace(request, config=replace(request.config, **held))


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
