"""From arguments to an exit code: parse, run, show, and say what went wrong in one sentence with a hint."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from napari_gmmseg.cli.answers import Answer, Errand, to_json
from napari_gmmseg.cli.arguments import parse
from napari_gmmseg.cli.diagnosis.versions import own_version
from napari_gmmseg.cli.machine_errors import machine_errors
from napari_gmmseg.errors import GmmsegError


def run(argv: Sequence[str], finished: Callable[[], object] = lambda: None) -> int:
    """Run one command.

    With `--json`, standard output holds one JSON object if the command came to an answer and nothing otherwise; errors
    are told on standard error in either case, as plain lines.

    Parameters
    ----------
    argv : sequence of str
        Arguments without the program's name.
    finished : callable
        Called as soon as the exit code is settled: whatever is to be written is written, or never will be.

    Returns
    -------
    int
        0 done, 1 a replayed result is another or a case of a batch failed, 2 the user's mistake, 3 out of resources,
        130 interrupted.
    """
    if list(argv[:1]) in (["--version"], ["-V"]):
        print(f"napari-gmmseg {own_version()}")  # noqa: T201 - standard output is the point
        return 0
    errand, code = Errand(), 0
    try:
        command = parse(argv)
        with redirect_stdout(sys.stderr) if command.json else nullcontext(), machine_errors():
            answer = command.run(errand)
        code = answer.exit_code
        finished()
        _print(answer, as_json=command.json)
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 2
    except GmmsegError as error:
        finished()
        _complain(error, errand.kept())
        return error.exit_code
    except KeyboardInterrupt:
        finished()
        kept = _listed(errand.kept())
        print(f"Interrupted. {f'Kept: {kept}.' if kept else 'Nothing was written.'}", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        # Whoever read has left, such as `head`: what Python still wants to flush at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _print(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print(to_json(answer.data), flush=True)  # noqa: T201 - standard output is the point
        return
    from rich.console import Console

    answer.show(Console(highlight=False))


def _complain(error: GmmsegError, kept: Sequence[Path]) -> None:
    left = f" Written before that, and kept: {_listed(kept)}." if kept else ""
    print(f"Error: {error.message}{left}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(f"Hint: {error.hint}", file=sys.stderr)  # noqa: T201


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)
