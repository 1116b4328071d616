"""The one error tree: what was wrong and seen (message), and what to do about it (hint)."""

from __future__ import annotations

import errno

#: What the system says where a disk, a quota or a file's size is at its end.
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class GmmsegError(Exception):
    """Base of every error that a person can meet.

    Parameters
    ----------
    message : str
        What was wrong and what was seen, as one sentence.
    hint : str
        What to do about it, as one sentence; may be empty.
    """

    exit_code: int = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(GmmsegError):
    """A file or layer that cannot be read, or does not hold what was asked for."""


class GeometryError(GmmsegError):
    """Grids that do not fit together, or a quantity in mm or ml where no spacing is known."""


class MaskError(GmmsegError):
    """A mask that is empty, of another grid, or not a mask."""


class SettingsError(GmmsegError):
    """Settings that contradict each other or the data."""


class OutputError(GmmsegError):
    """A target that cannot be written, or that read back differently."""


class ResourceError(GmmsegError):
    """Memory, disk space or a device has run out."""

    exit_code = 3


class ReplayError(GmmsegError):
    """A session that was done again, and came to another result."""

    exit_code = 1


class MissingLibraryError(GmmsegError):
    """A library that only this action needs is not installed; the hint holds the install line."""
