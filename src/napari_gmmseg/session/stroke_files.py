"""Strokes to files and back, as generators for jobs."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from napari_gmmseg.io.scribbles import read_scribbles, write_scribbles
from napari_gmmseg.volumes import Command, FitReport, Scribbles, Volume


def read_strokes_in_steps(path: Path, like: Volume) -> Generator[FitReport, Command | None, Scribbles]:
    """Read strokes on an image, as a generator for a job.

    Parameters
    ----------
    path : Path
        NIfTI or JSON.
    like : Volume
        The image.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Scribbles
        As the file has them.
    """
    yield FitReport("Reading strokes", 0, 0)
    return read_scribbles(path, like)


def write_strokes_in_steps(path: Path, scribbles: Scribbles) -> Generator[FitReport, Command | None, Path]:
    """Write strokes, as a generator for a job.

    Parameters
    ----------
    path : Path
        NIfTI or JSON.
    scribbles : Scribbles
        The strokes.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Path
        Where they are.
    """
    yield FitReport("Writing strokes", 0, 0)
    return write_scribbles(path, scribbles)
