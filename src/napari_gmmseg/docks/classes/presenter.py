"""What the Classes dock does, in plain Python: a table of the session's classes, live, and what is done with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from napari_gmmseg.docks.classes.counting import Counting
from napari_gmmseg.docks.classes.lines import ClassButtons, class_lines
from napari_gmmseg.docks.classes.view_protocol import ClassesDockView
from napari_gmmseg.docks.common.sentences import Message, finding_message
from napari_gmmseg.plugin.contrasts import CONTRAST_NAMES
from napari_gmmseg.plugin.metadata import result_layer_of
from napari_gmmseg.session.registry import session_of
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import Finding

#: Shortest time between two tables while a run is on, in s.
_INTERVAL = 0.2
_NO_CLASSES = Message("There are no classes yet.", "Segment an image: Plugins, GMM Segmentation, Segment.")
_NO_NAME = Message("A class needs a name.", "It keeps the one that it had.")


class ClassesPresenter:
    """Runs the Classes dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose classes are shown.
    view : ClassesDockView
        The window.
    session : Session or None
        That has them; None for the viewer's own.
    clock : callable
        Returns the time in s.
    """

    def __init__(
        self,
        viewer: Any,
        view: ClassesDockView,
        *,
        session: Session | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._viewer, self._view, self._clock = viewer, view, clock
        self.session = session_of(viewer) if session is None else session
        self._counting = Counting()
        self._due = True
        self._shown_at = float("-inf")
        self._closed = False
        self.session.changed.connect(self._on_changed)
        self.session.refused.connect(self._on_refused)
        self._show()

    def poll(self) -> None:
        """Follow the session; called by the window several times a second."""
        if self._closed:
            return
        self.session.poll()
        now = self._clock()
        running = self.session.running
        if running and now - self._shown_at >= _INTERVAL:
            self._counting.count(self._labels())
            self._due = True
        if self._counting.poll() or self._due:
            self._shown_at = now
            self._show()

    def rename(self, value: int, name: str) -> None:
        """Give a class another name.

        Parameters
        ----------
        value : int
            Its label value.
        name : str
            Not empty.
        """
        if name.strip():
            self.session.rename(value, name.strip())
        else:
            self._view.show_messages([_NO_NAME])
        self._show()

    def recolour(self, value: int, colour: tuple[float, float, float]) -> None:
        """Give a class another colour.

        Parameters
        ----------
        value : int
            Its label value.
        colour : (r, g, b)
            Each 0 ... 1.
        """
        self.session.recolour(value, colour)

    def lock(self, value: int, on: bool) -> None:
        """Hold a class's Gaussian, or let it go.

        Parameters
        ----------
        value : int
            Its label value.
        on : bool
            Whether it is held.
        """
        self.session.lock(value, on)
        self._show()

    def merge(self) -> None:
        """Make one class of the two that are selected; the upper one keeps its name."""
        selected = self._view.selection
        if len(selected) == 2:
            self._view.show_messages([])
            self.session.merge(*selected)

    def split(self) -> None:
        """Make two classes of the selected one."""
        selected = self._view.selection
        if len(selected) == 1:
            self._view.show_messages([])
            self.session.split(*selected)

    def name_by_contrast(self) -> None:
        """Name tissue by how bright it is."""
        self._view.show_messages([])
        self.session.name_by_contrast()

    def select(self) -> None:
        """Enable what can be done with the selected classes."""
        classes = self.session.classes
        k = 0 if classes is None or not self._can_edit else len(classes)
        n = len(self._view.selection)
        self._view.show_buttons(
            ClassButtons(merge=n == 2 and k > 2, split=n == 1 and 0 < k < 16, colour=n == 1, by_contrast=k > 0)
        )

    def shut_down(self) -> None:
        """End with the window: nothing listens any more."""
        if self._closed:
            return
        self._closed = True
        self.session.changed.disconnect(self._on_changed)
        self.session.refused.disconnect(self._on_refused)
        self._counting.cancel()

    @property
    def _can_edit(self) -> bool:
        return self.session.running or self.session.result is not None

    def _on_changed(self, what: str) -> None:
        if what in ("classes", "result", "job", "settings"):
            self._due = True
        if what == "result":
            result = self.session.result
            self._counting.count(None if result is None else result.label_map.labels, at_once=True)
        if what == "history":
            self._view.show_messages([])

    def _on_refused(self, finding: Finding) -> None:
        self._view.show_messages([finding_message(finding)])
        self._due = True

    def _labels(self) -> Any | None:
        layer = result_layer_of(self._viewer.layers)
        return None if layer is None else layer.data

    def _show(self) -> None:
        self._due = False
        session = self.session
        request, classes = session.request, session.classes
        if request is None or classes is None or not self._can_edit:
            self._view.show_lines((), ())
            self._view.show_messages([_NO_CLASSES])
            self.select()
            return
        volume = request.volume
        n_frames = volume.data.shape[1] if volume.data.ndim == 5 else 1
        channels = [CONTRAST_NAMES.get(c, c) or f"Channel {i}" for i, c in enumerate(volume.channels, start=1)]
        lines = class_lines(classes, session.mixture, self._counting.counts, volume.geometry, n_frames, session.locked)
        self._view.show_lines(channels, lines)
        self.select()
