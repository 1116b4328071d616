"""How much memory is free, also within a control group."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from napari_gmmseg.config import machine
from napari_gmmseg.config.machine import available_memory


@pytest.fixture(autouse=True)
def _free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine, ten thousand bytes are free."""
    memory = psutil.virtual_memory()._replace(available=10_000)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: memory)


def group(root: Path, path: str, files: dict[str, str], where: str = "sys/fs/cgroup") -> None:
    folder = root / where / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def member(root: Path, line: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(line + "\n", encoding="utf-8")


def files(limit: str, used: int, cache: int = 0) -> dict[str, str]:
    return {
        "memory.max": f"{limit}\n",
        "memory.current": f"{used}\n",
        "memory.stat": f"anon 1\ninactive_file {cache}\n",
    }


def test_without_control_groups_it_is_what_the_machine_has(tmp_path: Path) -> None:
    assert available_memory(tmp_path) == 10_000


def test_a_limit_counts_less_what_is_used(tmp_path: Path) -> None:
    member(tmp_path, "0::/job")
    group(tmp_path, "job", files("5000", 1500))
    assert available_memory(tmp_path) == 3500


def test_pages_of_files_that_can_be_dropped_count_as_free(tmp_path: Path) -> None:
    member(tmp_path, "0::/job")
    group(tmp_path, "job", files("5000", 1500, cache=400))
    assert available_memory(tmp_path) == 3900


def test_the_tightest_of_the_groups_above_counts(tmp_path: Path) -> None:
    member(tmp_path, "0::/user/job")
    group(tmp_path, "user/job", files("max", 0))
    group(tmp_path, "user", files("4000", 3000))
    assert available_memory(tmp_path) == 1000


def test_inside_a_container_the_group_is_the_root(tmp_path: Path) -> None:
    member(tmp_path, "0::/../host/path")
    group(tmp_path, "", files("2500", 500))
    assert available_memory(tmp_path) == 2000


def test_groups_of_version_one_are_heeded(tmp_path: Path) -> None:
    member(tmp_path, "4:memory:/job\n1:cpu:/")
    group(
        tmp_path,
        "job",
        {
            "memory.limit_in_bytes": "6000",
            "memory.usage_in_bytes": "5000",
            "memory.stat": "inactive_file 9\ntotal_inactive_file 100\n",
        },
        "sys/fs/cgroup/memory",
    )
    assert available_memory(tmp_path) == 1100


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_no_limit_is_none(tmp_path: Path, limit: str) -> None:
    member(tmp_path, "0::/job")
    group(tmp_path, "job", files(limit, 100))
    assert available_memory(tmp_path) == 10_000


def test_a_group_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    member(tmp_path, "0::/job")
    group(tmp_path, "job", files("1000", 1200))
    assert available_memory(tmp_path) == 0


def test_limits_of_the_process_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="limits of POSIX")
    taken = psutil.Process().memory_info().vms
    limits = {resource.RLIMIT_AS: taken + 4_000, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], resource.RLIM_INFINITY))
    assert available_memory(tmp_path) <= 4_000
    limits[resource.RLIMIT_AS] = resource.RLIM_INFINITY
    assert available_memory(tmp_path) == 10_000
