"""From arguments to an exit code: parse, run, show, and say what went wrong in one sentence with a hint."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path

from napari_gmmseg.cli.answers import Answer, Errand, to_json
from napari_gmmseg.cli.arguments import parse
from napari_gmmseg.cli.diagnosis.versions import own_version
from napari_gmmseg.errors import NO_SPACE, GmmsegError, OutputError, ResourceError

_FULL = NO_SPACE | {errno.ENOMEM}


def run(argv: Sequence[str], finished: Callable[[], object] = lambda: None) -> int:
    """Run one command.

    With `--json`, standard output holds one JSON object if the exit code is 0 and nothing otherwise; errors are
    told on standard error in either case, as plain lines.

    Parameters
    ----------
    argv : sequence of str
        Arguments without the program's name.
    finished : callable
        Called as soon as the exit code is settled: whatever is to be written is written, or never will be.

    Returns
    -------
    int
        0 done, 1 a replayed result is another, 2 the user's mistake, 3 out of resources, 130 interrupted.
    """
    if list(argv[:1]) in (["--version"], ["-V"]):
        print(f"napari-gmmseg {own_version()}")  # noqa: T201 - standard output is the point
        return 0
    errand = Errand()
    try:
        command = parse(argv)
        with redirect_stdout(sys.stderr) if command.json else nullcontext(), _resources():
            answer = command.run(errand)
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
    return 0


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


@contextmanager
def _resources() -> Iterator[None]:
    """Turn what the machine refuses into errors of ours."""
    try:
        yield
    except MemoryError as error:
        raise _out_of_memory("The memory ran out") from error
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        what = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        if error.errno in _FULL:
            raise ResourceError(
                f"{what}.", "Free some space, or write to another disk; nothing was left half."
            ) from error
        raise OutputError(f"{what}.", "Check the path and its permissions.") from error
    except RuntimeError as error:
        if "out of memory" not in str(error).lower() and "can't allocate memory" not in str(error):
            raise
        raise _out_of_memory("The device's memory ran out") from error


def _out_of_memory(what: str) -> ResourceError:
    return ResourceError(
        f"{what} while working on this image.",
        "Close other programs, use --device cpu, a smaller mask or box, or a machine with more memory.",
    )
