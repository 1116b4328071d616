"""Tests that open windows are told apart: where several processes share the tests, one has them all."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import WINDOWS

OPENS = re.compile(r"\b(qtbot|qapp|make_napari_viewer|NEEDS_SCREEN|QApplication)\b|napari\.Viewer\b|mark\.gl\b")


def test_every_file_that_opens_windows_is_among_them(root: Path) -> None:
    files = [path.relative_to(root).as_posix() for path in sorted((root / "tests").rglob("*.py"))]
    found = [
        file for file in files if OPENS.search((root / file).read_text("utf-8")) and not file.endswith("_windows.py")
    ]
    assert len(found) > 5
    assert not [file for file in found if not file.startswith(WINDOWS)]
