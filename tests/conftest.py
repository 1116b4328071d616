"""What every test stands on: one thread a process, one Qt binding, examples drawn the same way, one screen."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("QT_API", "pyqt6")

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("repeatable")

WINDOWS = {"qtbot", "qapp", "make_napari_viewer"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep files whole where several processes share the tests, and give all windows to one: they share a screen."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    windows = {
        item.path for item in items if item.get_closest_marker("gl") or WINDOWS & set(getattr(item, "fixturenames", ()))
    }
    for item in items:
        item.add_marker(pytest.mark.xdist_group("windows" if item.path in windows else str(item.path)))
