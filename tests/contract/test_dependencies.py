"""What is imported is declared, what is declared is imported, and each has its sentence in the docs."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

IMPORT = re.compile(r"^\s*(?:import|from) ([A-Za-z_]\w*)", re.MULTILINE)

#: Import names that differ from the distribution's.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "skimage": "scikit-image",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
}
#: Declared for what they read or bring, not for what they offer: napari.yaml is npe2's, the encoders are timm's.
NOT_IMPORTED = {"npe2", "timm"}
#: Extras of what napari brings, and of what this package imports.
OWN_EXTRAS = ("brain", "glioma")
#: Distributions that bring Qt: the bindings, and the parts that they are made of (PyQt6-Qt6, PySide6-Essentials).
QT_BINDING = re.compile(r"(pyqt[56]|pyside[26]|shiboken[26])(?![a-z])")


def _declared(root: Path) -> set[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [requirement for name in OWN_EXTRAS for requirement in project["optional-dependencies"][name]]
    needed = [*project["dependencies"], *extras]
    return {re.split(r"[<>=~!\[ ]", requirement)[0].lower() for requirement in needed}


def _imported(package: Path) -> set[str]:
    names = {name for path in package.rglob("*.py") for name in IMPORT.findall(path.read_text(encoding="utf-8"))}
    outside = names - set(sys.stdlib_module_names) - {"napari_gmmseg"}
    return {DISTRIBUTIONS.get(name, name).lower() for name in outside}


def test_what_is_imported_is_declared_and_nothing_else(root: Path, package: Path) -> None:
    assert _imported(package) == _declared(root) - NOT_IMPORTED


def test_every_dependency_has_its_sentence(root: Path) -> None:
    page = (root / "docs" / "explanation" / "dependencies.md").read_text(encoding="utf-8").lower()
    assert not [name for name in _declared(root) if f"\n| {name} | " not in page]


def test_no_qt_binding_comes_with_the_base_install(root: Path) -> None:
    assert not {name for name in _declared(root) if QT_BINDING.match(name)}
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert "napari[" not in project.split("dependencies = [")[1].split("]\n")[0]


@pytest.mark.parametrize(
    "name", ["pyqt5", "pyqt6", "pyqt6-qt6", "pyqt6-webengine", "pyside2", "pyside6", "pyside6-essentials"]
)
def test_every_qt_binding_is_known_as_one(name: str) -> None:
    assert QT_BINDING.match(name)


@pytest.mark.parametrize("name", ["pyqtgraph", "qtpy", "superqt"])
def test_what_works_with_any_qt_binding_is_known_as_none(name: str) -> None:
    assert not QT_BINDING.match(name)
