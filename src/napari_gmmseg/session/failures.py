"""What a person is told of an error that ended a job."""

from __future__ import annotations

from napari_gmmseg.errors import GmmsegError, ResourceError


def told_as(error: Exception) -> GmmsegError:
    """Return an error as a sentence with a hint.

    Parameters
    ----------
    error : Exception
        What was raised.
    """
    if isinstance(error, GmmsegError):
        return error
    # torch has a class of its own for the memory of graphics cards, and is not loaded for its name.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return ResourceError("There is not enough memory.", "Close other programs, or fit a smaller region.")
    return GmmsegError(
        f"Something went wrong that should not: {type(error).__name__}: {error}.",
        "Please report it together with the log.",
    )


def is_foreseen(error: Exception) -> bool:
    """Tell whether an error is one that a person can meet, and no fault of the program.

    Parameters
    ----------
    error : Exception
        What was raised.
    """
    return isinstance(error, GmmsegError) or isinstance(told_as(error), ResourceError)
