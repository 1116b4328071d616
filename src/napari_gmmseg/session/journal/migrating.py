"""Versions of the journal's events, and how an old one becomes a present one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari_gmmseg.errors import InputError

#: Version that is written.
SCHEMA = 2


def _from_0(event: dict[str, Any]) -> dict[str, Any]:
    """Version 0 had one run a folder, seconds under "t", the kind under "event", and commands as {name: fields}."""
    new = {key: value for key, value in event.items() if key not in ("t", "event", "command")}
    new |= {"time": event["t"], "kind": event["event"]}
    if new["kind"] in ("began", "told", "state", "ended"):
        new["run"] = 1
    if "command" in event:
        ((name, fields),) = event["command"].items()
        new["command"] = {"do": name, **fields}
    return new


def _from_1(event: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew no strokes, edits and fine-tuned networks, and told of a run's beginning as [after, command]."""
    new = {**event, "schema": 2}
    if event.get("told"):
        new["told"] = [{"after": after, "command": command, "words": ""} for after, command in event["told"]]
    if event.get("situation"):
        unpainted = {"scribbles": None, "edits": None, "model": None, "seeds": None, "answered": True, "weights": None}
        new["situation"] = {**unpainted, **event["situation"]}
    return new


#: From each old version to the one after it.
_STEPS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: _from_0, 1: _from_1}


def migrated(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event in the present schema.

    Parameters
    ----------
    event : dict
        A line of a journal of any version; without "schema" it is version 0.

    Raises
    ------
    InputError
        Where it was written by a newer version, or holds not what its version has.
    """
    version = event.get("schema", 0)
    if not isinstance(version, int) or version > SCHEMA:
        raise InputError(
            f"The session was recorded in version {version} of the journal; known are 0 to {SCHEMA}.",
            "Update napari-gmmseg, or open it with the version that recorded it.",
        )
    try:
        while version < SCHEMA:
            event, version = _STEPS[version](event), version + 1
        return {**event, "schema": SCHEMA, "time": float(event["time"]), "kind": str(event["kind"])}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"An event of the journal does not hold what version {version} has: {error!r}.",
            "The file was changed by hand or by another program; put back a copy.",
        ) from error
