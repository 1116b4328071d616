"""Processes of the program that begin with its libraries loaded: to be killed by the dozen."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

#: Loads what a fit needs but takes no step: a process that has trained cannot have children that do.
_PROGRAM = """
import json, os, resource, sys
import torch
from napari_gmmseg.cli import main
import napari_gmmseg.api, napari_gmmseg.cli.running, napari_gmmseg.fitting, napari_gmmseg.io, napari_gmmseg.preparation
torch.optim.AdamW([torch.ones(1, requires_grad=True)])
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1), os.dup2(log, 2)
        if order["largest_file"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest_file"],) * 2)
        script, *arguments = order["arguments"]
        if script.endswith(".py"):
            exec(compile(open(script).read(), script, "exec"), {"arguments": arguments})
            os._exit(0)
        os._exit(main(order["arguments"]))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class WarmProcesses:
    """Run commands and scripts in processes of their own, one after another, each a moment after it was asked for.

    Parameters
    ----------
    log : Path
        Where the last one's output goes.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._pid, self._worked = 0, 0.0

    def __enter__(self) -> WarmProcesses:
        paths = os.pathsep.join(path for path in sys.path if path)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
        )
        assert self._line() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parent.kill()
        self._parent.communicate()

    def start(self, *arguments: object, largest_file: int = 0) -> None:
        """Begin with a command, or a script that finds its `arguments`.

        With the size of the largest file that it can write, in bytes, or 0.
        """
        order = {"arguments": [str(a) for a in arguments], "log": str(self._log), "largest_file": largest_file}
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(order).encode() + b"\n")
        self._pid, self._worked = int(self._line()), 0.0

    def ended_within(self, seconds: float) -> bool:
        """Wait for its end, but not longer than this."""
        return bool(select.select([self._parent.stdout], [], [], seconds)[0])

    def worked(self) -> float:
        """Return the processor time that it took so far, in s; what it was at last where it has ended."""
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
            self._worked = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return self._worked

    def kill(self) -> int:
        """Kill it as nothing can prevent, and return its exit code: 0 where it had ended a moment before."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        return self.end()

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        return int(self._line())

    def run(self, *arguments: object, largest_file: int = 0) -> int:
        """Run a command to its end and return its exit code."""
        self.start(*arguments, largest_file=largest_file)
        return self.end()

    @property
    def output(self) -> str:
        """What the last one printed."""
        return self._log.read_text(encoding="utf-8")

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object that the last one printed after its log."""
        found = json.loads(self.output[self.output.rindex("\n{\n") :])
        assert isinstance(found, dict)
        return found

    def _line(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline().decode().strip()
