"""`napari-gmmseg open`: napari with files and the Segment dock."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import tyro

from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.diagnosis.windows import QT_BINDINGS, screen_found
from napari_gmmseg.errors import InputError, MissingLibraryError, SettingsError

PLUGIN = "napari-gmmseg"
DOCK = "Segment"


@dataclass(frozen=True)
class Open:
    """Open napari with files and the Segment dock."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(help="Images; none opens it empty.")] = ()
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output when it is closed.")] = False

    def run(self, _errand: Errand, /) -> Answer:
        """Open the window, and come back when it is closed.

        Parameters
        ----------
        _errand : Errand
            Unused: nothing is written.
        """
        _check_files(self.files)
        _check_window_libraries()
        _show(self.files)
        return Answer({"opened": self.files}, lambda _: None)


def _check_files(files: Sequence[Path]) -> None:
    for path in files:
        if not path.exists():
            raise InputError(f"{path} does not exist.", "Check the path.")


def _check_window_libraries() -> None:
    if find_spec("napari") is None or not any(find_spec(name) for name in QT_BINDINGS):
        raise MissingLibraryError(
            "napari needs a Qt library for its window, and none is installed.",
            f'Install one: "{sys.executable}" -m pip install "napari[all]"',
        )
    if not screen_found() and "QT_QPA_PLATFORM" not in os.environ:
        raise SettingsError(
            "There is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set.",
            "Use a desktop session, or segment without a window: napari-gmmseg segment IMAGE -o mask.nii.gz",
        )


def _show(files: Sequence[Path]) -> None:
    import torch  # noqa: F401 - before Qt: on Windows its DLLs do not load after Qt's

    import napari  # isort: skip

    viewer = napari.Viewer()
    if files:
        viewer.open([str(path) for path in files], plugin=PLUGIN)
    viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    napari.run()
