"""The command line: `napari-gmmseg demo | open | segment | finetune | train | predict | ...`; see `arguments`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

__all__ = ["console", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str or None
        Arguments without the program's name; None takes those of the process.

    Returns
    -------
    int
        0 done, 1 a replayed result is another or a case of a batch failed, 2 the user's mistake, 3 out of resources,
        130 interrupted.
    """
    from napari_gmmseg.cli.running import run

    return run(sys.argv[1:] if argv is None else list(argv))


def console() -> None:
    """Run the process's command and leave with its exit code; the entry point `napari-gmmseg`."""
    try:
        from napari_gmmseg.cli.running import run

        code = run(sys.argv[1:], _ignore_interrupts)
    except KeyboardInterrupt:
        print("Interrupted before anything was done.", file=sys.stderr)  # noqa: T201 - no console library is loaded yet
        code = 130
    _ignore_interrupts()
    sys.exit(code)


def _ignore_interrupts() -> None:
    """Have Ctrl-C do nothing: the answer is settled, and leaving takes a moment."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
