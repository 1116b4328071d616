"""Strokes to files and back, on threads of their own."""

from __future__ import annotations

from pathlib import Path

from napari_gmmseg.docks.common.sentences import Message, error_message
from napari_gmmseg.session import Job
from napari_gmmseg.session.state import Session
from napari_gmmseg.session.stroke_files import read_strokes_in_steps, write_strokes_in_steps
from napari_gmmseg.volumes import Scribbles


class StrokeFiles:
    """Reads and writes strokes of a session; for the GUI thread.

    Parameters
    ----------
    session : Session
        Whose strokes.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reading: tuple[Path, Job[Scribbles]] | None = None
        self._writing: Job[Path] | None = None

    @property
    def busy(self) -> bool:
        """Whether a file is being read or written."""
        return self._reading is not None or self._writing is not None

    def read(self, path: Path) -> None:
        """Begin to read strokes.

        Parameters
        ----------
        path : Path
            The file.
        """
        request = self._session.request
        if request is None or self.busy:
            return
        volume = request.volume
        self._reading = path, Job(lambda: read_strokes_in_steps(path, volume), name="reading-strokes")
        self._reading[1].start()

    def write(self, path: Path) -> None:
        """Begin to write strokes.

        Parameters
        ----------
        path : Path
            The file.
        """
        scribbles = self._session.scribbles
        if scribbles is None or self.busy:
            return
        self._writing = Job(lambda: write_strokes_in_steps(path, scribbles), name="writing-strokes")
        self._writing.start()

    def poll(self) -> list[Message]:
        """Take what is done; return what there is to say."""
        said = []
        if self._reading is not None and self._reading[1].state.ended:
            (path, reading), self._reading = self._reading, None
            if reading.error is not None:
                said.append(error_message(reading.error))
            elif reading.result is not None:
                found = reading.result
                self._session.import_scribbles(found, f"Import {path.name}")
                n = len(found.strokes)
                said.append(Message(f"{n} {'stroke' if n == 1 else 'strokes'} read from {path.name}."))
        if self._writing is not None and self._writing.state.ended:
            writing, self._writing = self._writing, None
            if writing.error is not None:
                said.append(error_message(writing.error))
            elif writing.result is not None:
                said.append(Message(f"Strokes saved as {writing.result}, read again and compared."))
        return said

    def shut_down(self) -> None:
        """Let go of what is read or written."""
        if self._reading is not None:
            self._reading[1].cancel()
        self._reading = None
