"""Everything that `doctor` tells, in one dictionary."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import entry_points
from typing import Any

from napari_gmmseg.cli.diagnosis.graphics import find_cards, torch_build, torch_findings
from napari_gmmseg.cli.diagnosis.machine import machine_facts, machine_findings
from napari_gmmseg.cli.diagnosis.versions import versions
from napari_gmmseg.cli.diagnosis.windows import window_facts, window_findings
from napari_gmmseg.volumes import Finding


def diagnose() -> dict[str, Any]:
    """Return versions, torch and graphics card, window, machine, and findings that tell what to do."""
    build, cards = torch_build(), find_cards()
    window, machine = window_facts(), machine_facts()
    findings = [
        *torch_findings(build, cards),
        *window_findings(window),
        *machine_findings(machine),
        *_plugin_findings(),
    ]
    return {
        "versions": versions(),
        "torch": asdict(build),
        "graphics_cards": asdict(cards),
        "window": window,
        "machine": machine,
        "findings": [asdict(finding) for finding in findings],
    }


def _plugin_findings() -> list[Finding]:
    if any(entry.name == "napari-gmmseg" for entry in entry_points(group="napari.manifest")):
        return []
    return [
        Finding(
            "plugin-not-registered",
            "napari does not know this plugin: the package is on the path, but not installed.",
            "Install it: python -m pip install napari-gmmseg (in a checkout: python -m pip install -e .)",
        )
    ]
