"""Doubts about data or a result: shown and saved, never only logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One doubt, with what can be done about it.

    Parameters
    ----------
    code : str
        Stable name in kebab case, e.g. "duplicated-channel".
    message : str
        What was seen.
    hint : str
        What to do; may be empty.
    severity : "note", "warning" or "error"
        How much it matters for the result.
    """

    code: str
    message: str
    hint: str = ""
    severity: Severity = "warning"
