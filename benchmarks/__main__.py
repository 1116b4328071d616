"""Run every benchmark, each in a process of its own, and keep what they print: ``python -m benchmarks [--full]``.

Without ``--full``, the peers run on three images and costs are followed to 192³; with it, on all images (four hours)
and to 384³ (4 GB).
"""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
#: Scripts, and the words after them that make them short.
SCRIPTS: dict[str, tuple[str, ...]] = {
    "accuracy.py": (),
    "em.py": (),
    "peers.py": ("--quick",),
    "scaling.py": ("--largest", "192", "--repeats", "1"),
    "deep_steps.py": (),
    "deep_curves.py": (),
    "gui_latency.py": (),
    "deep.py": (),
    "outlier.py": (),
}


def machine() -> str:
    """Return one line that tells date, processor, Python, torch and commit."""
    processor = platform.processor() or platform.machine()
    for line in (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else ()
    ):
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    ).stdout.strip()
    torch = version("torch")
    return f"{date.today()} · {processor} · Python {platform.python_version()} · torch {torch} · commit {commit}"


def main() -> int:
    output = HERE / "output"
    output.mkdir(exist_ok=True)
    worst = 0
    full = "--full" in sys.argv[1:]
    for script, short in SCRIPTS.items():
        words = () if full else short
        heading = f"# {script}\n{machine()}\n"
        print(heading, flush=True)
        done = subprocess.run(
            [sys.executable, str(HERE / script), *words], stdout=subprocess.PIPE, text=True, check=False
        )
        print(done.stdout, flush=True)
        (output / f"{script}.md").write_text(heading + "\n" + done.stdout, encoding="utf-8")
        worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
