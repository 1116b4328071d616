"""A sentence for a person, without the window that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class Message:
    """A sentence for the person.

    Parameters
    ----------
    text : str
        What is.
    hint : str
        What to do.
    severity : "note", "warning" or "error"
        How much it matters.
    """

    text: str
    hint: str = ""
    severity: Severity = "note"
