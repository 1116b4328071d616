"""A sentence for a person, without the window that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_gmmseg.docks.common.hints import in_window
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.volumes import Finding

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


def error_message(error: GmmsegError) -> Message:
    """Return an error as a message.

    Parameters
    ----------
    error : GmmsegError
        What went wrong.
    """
    return Message(error.message, in_window(error.hint), "error")


def finding_message(finding: Finding) -> Message:
    """Return a finding as a message.

    Parameters
    ----------
    finding : Finding
        A doubt.
    """
    return Message(finding.message, in_window(finding.hint), finding.severity)
