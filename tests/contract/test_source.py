"""The shape of the source: sizes, names, places, and what may be loaded when."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

HEAVY = ("torch", *(f"napari_gmmseg.{name}" for name in ("mixture", "losses", "networks", "fitting", "quality")))


def _python_files(root: Path) -> list[Path]:
    folders = ("src", "tests", "benchmarks", "examples", "sample_data", "docs")
    return [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]


def _contracts(root: Path) -> dict[str, dict[str, list[str]]]:
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def test_no_file_has_more_than_four_hundred_lines(root: Path) -> None:
    files = _python_files(root)
    assert len(files) > 50
    long = {str(path.relative_to(root)): n for path in files if (n := len(path.read_text("utf-8").splitlines())) > 400}
    assert not long


def test_every_file_has_a_name_of_its_own(root: Path) -> None:
    nameless = {"utils.py", "util.py", "helpers.py", "helper.py", "misc.py", "common.py"}
    assert not [path for path in _python_files(root) if path.name in nameless]


def test_no_file_loads_both_qt_and_torch(package: Path) -> None:
    both = [
        path
        for path in package.rglob("*.py")
        if {"qtpy", "torch"} <= {name.split(".")[0] for name, _ in _imports(ast.parse(path.read_text("utf-8")))}
    ]
    assert not both


def test_every_folder_has_its_place_in_the_layers(root: Path, package: Path) -> None:
    names = re.findall(r"\w+", " ".join(_contracts(root)["layers"]["layers"]))
    there = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    there |= {path.stem for path in package.glob("*.py") if path.stem != "__init__"}
    assert there <= set(names)
    assert len(names) == len(set(names))


def test_every_folder_is_told_about_napari(root: Path, package: Path) -> None:
    kept_out = {name.split(".")[1] for name in _contracts(root)["napari"]["source_modules"]}
    there = {path.stem for path in package.iterdir() if not path.name.startswith("_") and path.suffix in ("", ".py")}
    assert there - kept_out == {"plugin", "docks"}


def _imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Every imported module, and whether it is loaded together with the file."""
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _type_checking(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) not in late
            yield from ((f"{node.module}.{alias.name}", id(node) not in late) for alias in node.names)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


@pytest.mark.parametrize("place", ["api", "cli", "io", "session"])
def test_the_session_the_commands_and_the_api_load_the_numbers_inside_functions(package: Path, place: str) -> None:
    target = package / place
    files = [target] if target.suffix else sorted(target.rglob("*.py"))
    assert files
    early = [
        f"{path.relative_to(package)} loads {name} with the file"
        for path in files
        for name, at_once in _imports(ast.parse(path.read_text("utf-8")))
        if at_once and name.startswith(HEAVY)
    ]
    assert not early


def test_what_the_extra_brings_is_loaded_inside_functions(package: Path) -> None:
    brought = ("deepbet", "segmentation_models_pytorch", "timm", "torchvision")
    imports = [found for path in package.rglob("*.py") for found in _imports(ast.parse(path.read_text("utf-8")))]
    assert {name for name, _ in imports if name.startswith(brought)} >= {"deepbet", "segmentation_models_pytorch"}
    assert not [name for name, at_once in imports if at_once and name.startswith(brought)]


def test_an_early_import_is_told_from_a_late_one() -> None:
    source = "import torch\nif TYPE_CHECKING:\n    import numpy\ndef f():\n    from scipy import linalg\n"
    assert list(_imports(ast.parse(source))) == [
        ("torch", True),
        ("numpy", False),
        ("scipy", False),
        ("scipy.linalg", False),
    ]
