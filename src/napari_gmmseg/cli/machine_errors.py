"""What the machine refuses, as errors of ours: one sentence and one hint."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from napari_gmmseg.errors import NO_SPACE, OutputError, ResourceError

_FULL = NO_SPACE | {errno.ENOMEM}


@contextmanager
def machine_errors() -> Iterator[None]:
    """Turn what the machine refuses into errors of ours.

    Raises
    ------
    ResourceError
        Where memory or disk space has run out.
    OutputError
        Where the system refuses a file for another reason.
    """
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
