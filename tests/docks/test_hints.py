"""Hints in the dock, without options that can only be typed."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from napari_gmmseg.docks.common.hints import in_window
from napari_gmmseg.docks.common.sentences import error_message, finding_message
from napari_gmmseg.errors import MaskError
from napari_gmmseg.volumes import Finding

#: Supervised training and prediction are commands without a dock.
TYPED_ONLY = ("config/training.py", "fitting/supervised/", "networks/extra.py")


def sentences_of(folder: str) -> list[str]:
    """Return the texts in a folder's code that name an option of the command line, without what only commands do."""
    root = Path(importlib.import_module(f"napari_gmmseg.{folder}").__file__).parent
    paths = [path for path in sorted(root.rglob("*.py")) if not any(part in path.as_posix() for part in TYPED_ONLY)]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    texts = [n.value for t in trees for n in ast.walk(t) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [text for text in texts if "--" in text and "\n" not in text]


@pytest.mark.parametrize("folder", ["config", "preparation", "fitting", "losses", "networks", "mixture", "volumes"])
def test_no_hint_of_a_run_names_an_option_of_the_command_line_in_the_dock(folder):
    assert [text for text in map(in_window, sentences_of(folder)) if "--" in text] == []


def test_errors_and_findings_tell_where_to_click():
    hint = "Give a brain mask (--mask FILE), or leave the mask automatic."
    clicked = "Choose a brain mask under Mask, or leave the mask automatic."
    assert error_message(MaskError("It is odd.", hint)).hint == clicked
    assert finding_message(Finding("no-mask", "It is odd.", hint)).hint == clicked
