from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_gmmseg.cli import opening

from .conftest import Outcome

Run = Callable[..., Outcome]


class Window:
    def __init__(self, calls: list[tuple[object, ...]]) -> None:
        self.calls = calls

    def add_plugin_dock_widget(self, plugin: str, name: str) -> None:
        self.calls.append(("dock", plugin, name))


@pytest.fixture
def napari_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A napari without a window, which notes what is asked of it."""
    calls: list[tuple[object, ...]] = []

    class Viewer:
        def __init__(self) -> None:
            calls.append(("viewer", "torch" in sys.modules))
            self.window = Window(calls)

        def open(self, paths: list[str], plugin: str) -> None:
            calls.append(("open", paths, plugin))

    napari = types.ModuleType("napari")
    napari.Viewer = Viewer  # type: ignore[attr-defined]
    napari.run = lambda: calls.append(("run",))  # type: ignore[attr-defined]
    napari.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "napari", napari)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    return calls


def test_torch_comes_first_then_files_and_the_dock(run: Run, t1: Path, napari_calls: list[tuple[object, ...]]) -> None:
    assert run("open", t1).code == 0
    assert napari_calls == [
        ("viewer", True),
        ("open", [str(t1)], opening.PLUGIN),
        ("dock", opening.PLUGIN, opening.DOCK),
        ("run",),
    ]


def test_without_a_screen_there_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr(opening, "screen_found", lambda: False)
    outcome = run("open")
    assert outcome.code == 2
    assert "no screen" in outcome.err
    assert "segment IMAGE" in outcome.err


def test_without_qt_there_is_an_install_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "QT_BINDINGS", ("NoSuchQt",))
    outcome = run("open")
    assert outcome.code == 2
    assert 'pip install "napari[all]"' in outcome.err


def test_the_manifest_knows_the_dock_that_is_opened() -> None:
    from napari_gmmseg import __file__ as package

    manifest = Path(package).with_name("napari.yaml")
    assert f"display_name: {opening.DOCK}" in manifest.read_text().replace('"', "")
