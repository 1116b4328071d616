"""The window opens fast and headless servers work: what is heavy is imported where it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"napari", "qtpy", "torch", "PyQt6", "PySide6", "vispy", "superqt", "magicgui"}


@pytest.mark.parametrize("package", ["cli", "cli.running", "session", "volumes", "config", "io", "api", "preparation"])
def test_neither_napari_nor_qt_nor_torch_comes_along(package: str) -> None:
    code = f"import napari_gmmseg.{package}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_the_verbs_are_there_without_their_weight() -> None:
    code = "import napari_gmmseg as g, sys; g.read, g.segment, g.evaluate, g.write; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (HEAVY | {"scipy", "nibabel"}) & set(done.stdout.split())


def test_the_program_is_installed_under_its_name() -> None:
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="napari-gmmseg")
    assert script.value == "napari_gmmseg.cli:console"
