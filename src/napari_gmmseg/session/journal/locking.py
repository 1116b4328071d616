"""One writer a session folder: a lock that the system lets go of when its process dies."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

#: Its name in a session's folder; it holds the number of the process that writes.
LOCK = "lock"
#: Byte that is locked where locks are mandatory: behind the number, which others may read.
_BEHIND = 1 << 20


class FolderLock:
    """Hold a folder for this process, as long as the object is not let go.

    The number in the file is for people: whether a folder is held is asked of the system, which knows that a process
    has died even where its number was given to another one since.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    BlockingIOError
        Where another one holds it.
    OSError
        Where the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _hold(self._descriptor)
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())
        except OSError:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)


def holder(folder: Path) -> int | None:
    """Return the process that holds a folder: its number, 0 where that cannot be read; None where nobody does.

    Parameters
    ----------
    folder : Path
        The folder.
    """
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        _hold(descriptor)
    except OSError:
        with suppress(OSError, ValueError):
            return int(path.read_text())
        return 0
    finally:
        os.close(descriptor)
    return None


if sys.platform == "win32":
    import msvcrt

    def _hold(descriptor: int) -> None:
        os.lseek(descriptor, _BEHIND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _hold(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
