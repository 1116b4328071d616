"""From arguments to an exit code: parse, run, show, and say what went wrong in one sentence with a hint."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Annotated, Protocol

import tyro

from napari_gmmseg.cli.answers import Answer, Errand, to_json
from napari_gmmseg.cli.demo import Demo
from napari_gmmseg.cli.doctor import Doctor
from napari_gmmseg.cli.evaluate import Evaluate
from napari_gmmseg.cli.opening import Open
from napari_gmmseg.cli.segment import Segment
from napari_gmmseg.errors import GmmsegError, OutputError, ResourceError

PROGRAM = "napari-gmmseg"
_DESCRIPTION = (
    "Segment MRI without labels: Gaussian mixture models, with and without neighbours. "
    "Exit codes: 0 done, 2 a mistake in what was asked (with a hint), 3 out of memory or disk space, 130 interrupted."
)
_Commands = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Open, tyro.conf.subcommand("open")]
    | Annotated[Segment, tyro.conf.subcommand("segment")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM}


class Command(Protocol):
    """What every command has."""

    @property
    def json(self) -> bool:
        """Whether standard output holds one JSON object and nothing else."""

    def run(self, errand: Errand, /) -> Answer:
        """Do it.

        Parameters
        ----------
        errand : Errand
            Where finished files are noted.
        """


def run(argv: Sequence[str]) -> int:
    """Run one command.

    With `--json`, standard output holds one JSON object if the exit code is 0 and nothing otherwise; errors are
    told on standard error in either case.

    Parameters
    ----------
    argv : sequence of str
        Arguments without the program's name.

    Returns
    -------
    int
        0 done, 2 the user's mistake, 3 out of resources, 130 interrupted.
    """
    try:
        command = parse(argv)
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 2
    errand = Errand()
    try:
        with redirect_stdout(sys.stderr) if command.json else nullcontext(), _resources():
            answer = command.run(errand)
        _print(answer, as_json=command.json)
    except GmmsegError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        kept = ", ".join(str(path) for path in errand.kept)
        print(f"Interrupted. {f'Kept: {kept}.' if kept else 'Nothing was written.'}", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        # Whoever read has left, such as `head`: what Python still wants to flush at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parse(argv: Sequence[str]) -> Command:
    """Return the command that arguments ask for.

    Parameters
    ----------
    argv : sequence of str
        Arguments without the program's name.

    Raises
    ------
    SystemExit
        Where they make no sense (code 2), or ask for help (code 0).
    """
    command: Command = tyro.cli(
        _Commands,
        prog=PROGRAM,
        description=_DESCRIPTION,
        args=list(argv) or ["--help"],
        config=(
            tyro.conf.FlagCreatePairsOff,
            tyro.conf.OmitArgPrefixes,
            tyro.conf.DisallowNone,
            tyro.conf.HelptextFromCommentsOff,
        ),
    )
    return command


def _print(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print(to_json(answer.data), flush=True)  # noqa: T201 - standard output is the point
        return
    from rich.console import Console

    answer.show(Console(highlight=False))


def _complain(error: GmmsegError) -> None:
    print(f"Error: {error.message}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(f"Hint: {error.hint}", file=sys.stderr)  # noqa: T201


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
