"""`napari-gmmseg doctor`: what this machine has, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.diagnosis import diagnose
from napari_gmmseg.cli.tables import show_findings

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Doctor:
    """Look at versions, torch and graphics card, Qt, memory and disk, and tell what to do. Changes nothing."""

    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )

    def run(self, _errand: Errand, /) -> Answer:
        """Look.

        Parameters
        ----------
        _errand : Errand
            Unused: nothing is written.
        """
        facts = diagnose()
        return Answer(facts, lambda console: _show(console, facts))


def _show(console: Console, facts: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for name, value in _lines(facts):
        table.add_row(name, escape(value))
    console.print(table)
    show_findings(console, facts["findings"])
    if not facts["findings"]:
        console.print("Nothing stands in the way.")


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    torch, cards, window, machine = (facts[key] for key in ("torch", "graphics_cards", "window", "machine"))
    built = f"CUDA {torch['cuda']}" if torch["cuda"] else f"ROCm {torch['rocm']}" if torch["rocm"] else "processor only"
    installed = [(name, version) for name, version in facts["versions"].items() if version is not None]
    return [
        *installed,
        ("System", f"{machine['system']} on {machine['machine']}"),
        ("torch build", built if torch["version"] else "–"),
        ("Graphics cards", ", ".join(cards["names"]) or "no NVIDIA card"),
        ("torch sees", ", ".join(torch["devices"]) or "the processor"),
        ("Networks train in", _precision(torch)),
        ("Threads", f"{machine['threads']}; torch takes {torch['threads']}"),
        ("Memory", f"{_gb(machine['memory_gb'])}, free {_gb(machine['memory_available_gb'])}"),
        ("Disk free", f"{_gb(machine['disk_free_gb'])} here, {_gb(machine['temporary_free_gb'])} for temporary files"),
        ("Qt", ", ".join(window["qt_bindings"]) or "none"),
        ("Screen", "yes" if window["screen"] else "no"),
        ("OpenGL", window["opengl"] or ("not tried without a screen" if not window["screen"] else "no")),
    ]


def _precision(torch: dict[str, Any]) -> str:
    """Tell where `--precision auto` takes which arithmetic."""
    if not torch["bfloat16"]:
        return "float32: no device here multiplies bfloat16 fast"
    names = ", ".join("the processor" if name == "cpu" else name for name in torch["bfloat16"])
    return f"bfloat16 on {names} (recipe tuned, --precision auto), else float32"


def _gb(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} GB"
