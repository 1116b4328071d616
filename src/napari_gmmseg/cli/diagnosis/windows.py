"""Whether napari's window can open: Qt library, screen, OpenGL. Nothing of Qt is imported in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from napari_gmmseg.volumes import Finding

QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")

#: Runs in a process of its own, because Qt aborts the process where its platform plugin does not load.
_PROBE = """
from qtpy import QtGui
app = QtGui.QGuiApplication([])
surface = QtGui.QOffscreenSurface()
surface.create()
context = QtGui.QOpenGLContext()
made = context.create() and context.makeCurrent(surface)
version = context.format().version() if made else None
print(f"{version[0]}.{version[1]}" if version else "none")
"""


def screen_found() -> bool:
    """Whether there is a screen to open a window on; always true but on Linux and BSD."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def window_facts() -> dict[str, Any]:
    """Return Qt libraries, screen and OpenGL version; None for what could not be found out."""
    bindings = [name for name in QT_BINDINGS if find_spec(name) is not None]
    screen = screen_found()
    return {
        "qt_bindings": bindings,
        "qt_platform": os.environ.get("QT_QPA_PLATFORM"),
        "screen": screen,
        "opengl": _opengl_version() if bindings and screen else None,
    }


def window_findings(facts: dict[str, Any]) -> list[Finding]:
    """Return what keeps napari's window from opening.

    Parameters
    ----------
    facts : dict
        From `window_facts`.
    """
    bindings: list[str] = facts["qt_bindings"]
    if not bindings:
        return [
            Finding(
                "no-qt",
                "No Qt library is installed: the command line works, napari's window does not.",
                f'Install one: "{sys.executable}" -m pip install "napari[all]"',
            )
        ]
    if not facts["screen"]:
        return [
            Finding("no-screen", "There is no screen (DISPLAY is not set).", "The command line works without.", "note")
        ]
    findings = []
    if len(bindings) > 1:
        findings.append(
            Finding(
                "several-qt",
                f"Several Qt libraries are installed ({', '.join(bindings)}); they can get in each other's way.",
                f"Keep one, or choose it: QT_API={bindings[0].lower()}",
                "note",
            )
        )
    if facts["opengl"] is None:
        findings.append(
            Finding(
                "no-opengl",
                "Qt could not make an OpenGL context: napari's window will not draw.",
                "Update the graphics driver; on Debian or Ubuntu: apt install libgl1 libegl1 libxcb-cursor0",
            )
        )
    return findings


def _opengl_version() -> str | None:
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = done.stdout.strip().splitlines()[-1:] if done.returncode == 0 else []
    return told[0] if told and told[0] != "none" else None
