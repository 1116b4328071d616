"""What the Curves dock does, in plain Python: from what a fit reports to curves."""

from __future__ import annotations

from typing import Any

from napari_gmmseg.docks.common.plot_colours import plot_colours
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.curves.shown import Line, Mark, Panel, Picture
from napari_gmmseg.docks.curves.traces import Traces
from napari_gmmseg.docks.curves.view_protocol import CurvesView
from napari_gmmseg.plugin.contrasts import CONTRAST_NAMES
from napari_gmmseg.session import Session
from napari_gmmseg.volumes import FitReport

NOTHING = Message(
    "No fit has run yet.",
    "Press Run in the Segment dock: its likelihood, loss terms, mixing weights and class means are then drawn here.",
)
FIRST_STEP = Message("The fit has begun; curves come with its first steps.")
NO_HISTORY = Message("This result brings no record of its steps.", "Run again to see its curves.")
NO_GAUSSIANS = Message("Mixing weights and class means are drawn for runs of this session only.")

#: What a session calls a pause.
_PAUSE = "Pause"
#: What is drawn, from top to bottom: kind of trace, title.
_NUMBERS = (("nll", "NLL, nat per voxel"), ("term", "Loss terms, nat per voxel"))


class CurvesPresenter:
    """Runs the Curves dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose theme is followed.
    session : Session
        Whose fits are drawn.
    view : CurvesView
        The window.
    """

    def __init__(self, viewer: Any, session: Session, view: CurvesView) -> None:
        self._viewer, self._session, self._view = viewer, session, view
        self._traces = Traces()
        self._taken = 0
        self._last: FitReport | None = None
        self._channel = 0
        self._drawn: tuple[Any, ...] = ()
        self._closed = False
        viewer.events.theme.connect(self._on_theme)
        session.changed.connect(self._on_session)
        self._on_theme()

    def choose_channel(self, channel: int) -> None:
        """Draw the class means of another channel.

        Parameters
        ----------
        channel : int
            Which one.
        """
        self._channel = channel
        self._view.refresh_soon()

    def refresh(self) -> None:
        """Take what was reported and draw it; called by the window when it has time."""
        if self._closed:
            return
        self._take()
        names = self._channel_names()
        self._channel = min(self._channel, max(0, len(names) - 1))
        marks = self._marks()
        key = (self._traces, self._traces.n_steps, marks, self._channel, self._session.classes)
        if key != self._drawn:
            self._drawn = key
            self._view.show_channels(names, self._channel)
            self._view.show_picture(Picture(self._panels(names), marks, self._traces.n_steps))
        self._view.show_messages(self._messages())
        if self._session.running:
            self._view.start_polling()
        else:
            self._view.stop_polling()

    def shut_down(self) -> None:
        """End with the window: nothing listens any more."""
        if self._closed:
            return
        self._closed = True
        self._viewer.events.theme.disconnect(self._on_theme)
        self._session.changed.disconnect(self._on_session)
        self._view.stop_polling()

    def _take(self) -> None:
        """Take the reports that are new: of the run that is on or was last, else those that a result brings."""
        result = self._session.result
        trail = self._session.trail
        if self._session.job is None and result is not None:
            trail = result.history
        # An undo takes a run up before its last steps: what follows is then another way.
        goes_on = self._taken <= len(trail) and (not self._taken or trail[self._taken - 1] is self._last)
        if not goes_on:
            self._traces, self._taken = Traces(), 0
        self._traces.add(trail[self._taken :])
        self._taken, self._last = len(trail), trail[-1] if trail else None

    def _marks(self) -> tuple[Mark, ...]:
        said = self._session.marks
        marks = [Mark(step + 0.5, words, "paused" if words == _PAUSE else "retuned") for step, words in said]
        marks += [Mark(step - 0.5, phase, "phase") for step, phase in self._traces.phases[1:]]
        return tuple(sorted(marks, key=lambda mark: mark.step))

    def _panels(self, names: tuple[str, ...]) -> tuple[Panel, ...]:
        traces, panels = self._traces, []
        for group, title in _NUMBERS:
            found = traces.named(group)
            if found:
                lines = tuple(Line(str(name), None, *trace.points()) for name, trace in found.items())
                panels.append(Panel(group, title, lines))
        for name, trace in traces.named("pace").items():
            key = str(name).replace(" ", "_")
            panels.append(Panel(key, str(name).capitalize(), (Line(str(name), None, *trace.points()),)))
        for group, title in (("weight", "Mixing weights"), (f"mean {self._channel}", "Class means")):
            lines = self._class_lines(group)
            if lines:
                what = title if group == "weight" or not names else f"{title}, {names[self._channel]}"
                panels.append(Panel(group.split(" ", maxsplit=1)[0], what, lines))
        return tuple(panels)

    def _class_lines(self, group: str) -> tuple[Line, ...]:
        """Return a line for each class, by the name and in the colour that it has now."""
        now = {tissue.value: tissue for tissue in self._session.classes or ()}
        lines = []
        for value, trace in self._traces.named(group).items():
            look = self._traces.looks[int(value)]
            tissue = now.get(int(value))
            name, colour = (look.name, look.colour) if tissue is None else (tissue.abbreviation, tissue.colour)
            lines.append(Line(name, colour, *trace.points()))
        return tuple(lines)

    def _channel_names(self) -> tuple[str, ...]:
        request = self._session.request
        if request is None or not self._traces.n_channels:
            return ()
        channels = request.volume.channels
        return tuple(CONTRAST_NAMES.get(name, name) or f"channel {i}" for i, name in enumerate(channels, start=1))

    def _messages(self) -> list[Message]:
        if self._traces.n_steps:
            of_result = self._session.job is None
            return [NO_GAUSSIANS] if of_result and not self._traces.n_channels else []
        if self._session.running:
            return [FIRST_STEP]
        return [NOTHING if self._session.result is None else NO_HISTORY]

    def _on_theme(self, _event: Any = None) -> None:
        self._view.show_colours(plot_colours(str(self._viewer.theme)))
        self._drawn = ()
        self._view.refresh_soon()

    def _on_session(self, _what: str) -> None:
        self._view.refresh_soon()
