"""A batch on a terminal: how many cases, which failed, and where the table is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

if TYPE_CHECKING:
    from rich.console import Console

_WORDS = {"failed": "[red]Failed:[/]", "edited": "[yellow]Kept:[/]"}


def show_batch(console: Console, data: Mapping[str, Any]) -> None:
    """Print what became of a batch.

    Parameters
    ----------
    console : Console
        Standard output.
    data : mapping
        What `--json` prints.
    """
    counts = data["counts"]
    edited = f", {counts['edited']} changed by hand" if counts["edited"] else ""
    console.print(
        f"{counts['done']} of {counts['cases']} cases have a result ({counts['done_now']} done now, "
        f"{counts['done_before']} before); {counts['failed']} failed"
        f"{edited}."
    )
    for case in data["cases"]:
        if case["status"] in _WORDS:
            told = f"{case['case']}: {case['reason']} {case['hint']}".rstrip()
            console.print(f"{_WORDS[case['status']]} {escape(told)}", soft_wrap=True)
    console.print(f"Saved: table → {escape(str(data['table']))}", soft_wrap=True)
