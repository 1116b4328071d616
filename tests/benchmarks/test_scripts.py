"""Every benchmark starts: what it takes from the program, and from the scripts beside it, is there."""

from __future__ import annotations

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
OWN = {"napari_gmmseg", "benchmarks", *SCRIPTS}


def test_the_scripts_are_found() -> None:
    assert {"__main__", "accuracy", "first_sight", "study_default"} <= set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_can_be_loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A script finds those beside it by its own folder.
    monkeypatch.syspath_prepend(FOLDER)
    try:
        importlib.import_module("benchmarks.__main__" if name == "__main__" else name)
        missing = _missing(FOLDER / f"{name}.py")
    except ModuleNotFoundError as absent:
        library = str(absent.name).partition(".")[0]
        if library in OWN:
            raise
        pytest.skip(f"{library} is not installed")
    assert missing == []


def _missing(path: Path) -> list[str]:
    """Return what a script wants of our modules, inside its functions too, and they do not have."""
    wanted = [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OWN
        for alias in node.names
    ]
    return [f"{module}.{what}" for module, what in wanted if not _has(module, what)]


def _has(module: str, what: str) -> bool:
    loaded = importlib.import_module(module)
    return hasattr(loaded, what) or (hasattr(loaded, "__path__") and find_spec(f"{module}.{what}") is not None)
