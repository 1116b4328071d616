"""How much memory this machine has left."""

from __future__ import annotations

from pathlib import Path

import psutil

#: What a control group of version 1 says where it has no limit is near 2^63.
_NO_LIMIT = 1 << 60


def available_memory(root: Path = Path("/")) -> int:
    """Return the bytes of memory that can still be taken without swapping, within the limits that are set on Linux.

    Those are the control group's, and those of the process (`ulimit -v`, `ulimit -d`).

    Parameters
    ----------
    root : Path
        Where `proc` and `sys` are.
    """
    free = int(psutil.virtual_memory().available)
    return min([free, *_left_in_groups(root), *_left_in_process()])


def _left_in_process() -> list[int]:
    """Return what is left of the process's own limits on address space and on data."""
    try:
        import resource
    except ImportError:
        return []
    limits = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0] for name in ("AS", "DATA")}
    limits = {name: most for name, most in limits.items() if most != resource.RLIM_INFINITY}
    if not limits:
        return []
    used = psutil.Process().memory_info()
    taken = {"AS": used.vms, "DATA": getattr(used, "data", used.rss)}
    return [max(most - taken[name], 0) for name, most in limits.items()]


def _left_in_groups(root: Path) -> list[int]:
    """Return what is left in each control group that this process is in: version 2 with its parents, and version 1."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, limit, used, cache = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limit, used = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        # Inside a container its own group is mounted as the root, whatever the path outside is.
        group = base / path.lstrip("/")
        for folder in {base, group, *(p for p in group.parents if base in p.parents)}:
            left = _left(folder, limit, used, cache)
            if left is not None:
                found.append(left)
    return found


def _left(folder: Path, limit: str, used: str, cache: str) -> int | None:
    """Return limit less use, pages that hold files and can be dropped not counted; None where there is no limit."""
    try:
        most = (folder / limit).read_text(encoding="utf-8").strip()
        if most == "max" or int(most) >= _NO_LIMIT:
            return None
        taken = int((folder / used).read_text(encoding="utf-8"))
        rows = (line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
        dropped = sum(int(row[1]) for row in rows if row[0] == cache)
    except (OSError, ValueError):
        return None
    return max(int(most) - taken + min(dropped, taken), 0)
