"""Memory, processor threads and disk."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_gmmseg.volumes import Finding

_GB = 1e9
#: A 1 mm brain in one channel, with its probabilities and temporaries, takes about this much.
_NEEDED_GB = 1.5


def machine_facts() -> dict[str, Any]:
    """Return system, memory in GB, threads, and free disk space in GB here and in the temporary folder."""
    total, available = _memory()
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "memory_gb": total,
        "memory_available_gb": available,
        "threads": _threads(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "disk_free_gb": _free(Path.cwd()),
        "temporary_folder": tempfile.gettempdir(),
        "temporary_free_gb": _free(Path(tempfile.gettempdir())),
    }


def machine_findings(facts: dict[str, Any]) -> list[Finding]:
    """Return what there is too little of.

    Parameters
    ----------
    facts : dict
        From `machine_facts`.
    """
    findings = []
    available = facts["memory_available_gb"]
    if available is not None and available < _NEEDED_GB:
        findings.append(
            Finding(
                "little-memory",
                f"{available:.1f} GB of memory are free; a whole brain at 1 mm takes about {_NEEDED_GB:g} GB.",
                "Close other programs, or use a smaller mask.",
            )
        )
    if facts["disk_free_gb"] is not None and facts["disk_free_gb"] < 1:
        findings.append(
            Finding(
                "little-disk",
                f"{facts['disk_free_gb']:.2f} GB are free on this disk.",
                "Free some space before results are written here.",
            )
        )
    return findings


def _memory() -> tuple[float | None, float | None]:
    """Return memory in all and free memory in GB."""
    try:
        told = import_module("psutil").virtual_memory()
    except ImportError:
        return None, None
    return told.total / _GB, told.available / _GB


def _threads() -> int:
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _free(folder: Path) -> float | None:
    try:
        return shutil.disk_usage(folder).free / _GB
    except OSError:
        return None
