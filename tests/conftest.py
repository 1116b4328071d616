"""What every test stands on: one thread a process, one Qt binding, examples drawn the same way, one screen."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("QT_API", "pyqt6")

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("repeatable")

#: Tests that open windows.
WINDOWS = ("tests/docks/", "tests/cli/test_open.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep files whole where several processes share the tests, and give all windows to one: they share a screen."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "windows" if file.startswith(WINDOWS) else file

    return ByFile(config, log)
