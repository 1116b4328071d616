"""What the Scribble dock does, in plain Python: strokes to the session, its answers to the viewer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from napari_gmmseg.docks.common.keys import REDO, UNDO, BoundKeys, Key
from napari_gmmseg.docks.common.sentences import Message, finding_message
from napari_gmmseg.docks.scribble.editing import Editor
from napari_gmmseg.docks.scribble.files import StrokeFiles
from napari_gmmseg.docks.scribble.opening import Opening
from napari_gmmseg.docks.scribble.shown import (
    DoubtChoice,
    EditTool,
    Shown,
    state_in_words,
    tool_in_words,
)
from napari_gmmseg.docks.scribble.tuning_words import tuning_of
from napari_gmmseg.docks.scribble.view_protocol import ScribbleDockView
from napari_gmmseg.docks.scribble.workplace import Workplace
from napari_gmmseg.docks.segment.choices import Axis4Choice
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.session.answering import SliceAnswer
from napari_gmmseg.session.registry import session_of
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import IGNORED, UNLABELLED, Finding, Segmentation

NEXT_SPOT = Key("next_spot", "Shift-N", "Go to where a stroke would help most")
NEXT_CLASS = Key("next_class", "Shift-K", "Paint with the next class")
TUNE = Key("finetune", "Shift-T", "Fine-tune the network for 5 s")
DROP = Key("drop_island", "Shift-D", "Drop the island of the result under the mouse")
INTERPOLATE = Key("interpolate", "Shift-I", "Continue the class between the slices in which it was edited")
KEYS = (NEXT_SPOT, NEXT_CLASS, TUNE, DROP, INTERPOLATE, UNDO, REDO)
#: What a fine-tuning says of itself, and not of the image.
_OF_TUNING = frozenset({"no-steps", "no-gain", "not-checked", "stopped-early"})


class ScribblePresenter:
    """Runs the Scribble dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        What is painted in.
    view : ScribbleDockView
        The window.
    session : Session or None
        That has the strokes; None for the viewer's own.
    clock : callable
        Returns the time in s.
    """

    def __init__(
        self,
        viewer: Any,
        view: ScribbleDockView,
        *,
        session: Session | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._viewer, self._view = viewer, view
        self.session = session_of(viewer) if session is None else session
        self.opening = Opening(viewer, self.session)
        self._bound: Workplace | None = None
        self._tool = UNLABELLED
        self._closed = False
        self._shown = Shown()
        self._clock = clock
        self._told: Segmentation | None = None
        self.files = StrokeFiles(self.session)
        self.editor = Editor(self.session, lambda: self._view.brush, self._say)
        self._keys = BoundKeys(viewer, KEYS, {key.name: self._pressing(key.name) for key in KEYS})
        self.session.changed.connect(self._on_changed)
        self.session.refused.connect(self._on_refused)
        self.session.slice_answered.connect(self._on_slice)
        view.show_state(self._shown)

    @property
    def busy(self) -> bool:
        """Whether something is on that the window should look at often."""
        advising = self._bound is not None and self._bound.advisor.busy
        session = self.session
        on = session.answering or session.editing or session.tuning is not None or self.files.busy
        return self.opening.busy or advising or on

    @property
    def closed(self) -> bool:
        """Whether its window is gone."""
        return self._closed

    @property
    def started(self) -> bool:
        """Whether strokes are listened to."""
        return self._bound is not None

    def start(self) -> None:
        """Read the chosen image and add the layer of strokes."""
        if self.opening.busy:
            return
        refused = self.opening.begin()
        if refused is not None:
            self._say(refused)
            self._show()
            return
        self._view.show_messages([])
        self._show()

    def choose_axis4(self, axis4: Axis4Choice) -> None:
        """Say what the fourth axis of an image is that does not say so itself.

        Parameters
        ----------
        axis4 : "", "time" or "channel"
            What it is.
        """
        self.opening.axis4 = axis4
        self._show()

    def poll(self) -> None:
        """Follow session, layers and jobs; called by the window many times a second."""
        if self._closed:
            return
        opened = self.opening.poll()
        if isinstance(opened, Message):
            self._say(opened)
        elif opened is not None:
            self._bind(opened.grid)
        gone = None if self._bound is None else self._bound.poll()
        self.session.poll()
        if gone is not None:
            self._release()
            self._say(gone)
        for message in self.files.poll():
            self._say(message)
        self._show()

    def choose(self, tool: int) -> None:
        """Choose what the brush does: a class, erase, or ignore.

        Parameters
        ----------
        tool : int
            A label value, `UNLABELLED` or `IGNORED`.
        """
        self._tool = tool
        if self._bound is not None:
            if tool == IGNORED:
                self.editor.turn(on=False)
            self.editor.choose(tool)
            if not self.editor.on:
                self._bound.strokes.choose(tool)
            self.set_brush()
        self._show()

    def next_class(self) -> None:
        """Paint with the class after the one at hand."""
        values = [] if self._bound is None else [line.value for line in self._bound.lines]
        if values:
            at = values.index(self._tool) + 1 if self._tool in values else 0
            self.choose(values[at % len(values)])

    def set_brush(self) -> None:
        """Take over the brush's size from the window."""
        if self._bound is not None:
            millimetres, ball = self._view.brush
            for layer in (self._bound.strokes, self._bound.answer):
                layer.set_brush(millimetres, ball=ball)

    def edit_result(self, on: bool) -> None:
        """Have the brush set voxels of the result by hand, or paint strokes again.

        Parameters
        ----------
        on : bool
            Whether the result is edited.
        """
        self.editor.turn(on=on)
        self.choose(self._tool)

    def use_edit_tool(self, tool: EditTool) -> None:
        """Choose what a click on the result does while it is edited.

        Parameters
        ----------
        tool : "brush", "fill" or "island"
            Paint voxels, fill the region that is pointed at, or drop it.
        """
        self.editor.use(tool)
        self._show()

    def declare_background(self, value: int | None) -> None:
        """Say which class is background.

        Parameters
        ----------
        value : int or None
            Its label value; None where every class is a tissue.
        """
        self.session.declare_background(value)

    def add_class(self) -> None:
        """Have one class more, and paint with it."""
        self.session.add_class()
        if self._bound is not None:
            self.choose(self._bound.lines[-1].value)

    def clear(self) -> None:
        """Take all strokes away."""
        self.session.clear_scribbles()

    def finetune(self, seconds: float | None) -> None:
        """Fine-tune the network.

        Parameters
        ----------
        seconds : float or None
            For how long, in s; None until it is stopped.
        """
        self._view.show_messages([])
        self.session.finetune(seconds)
        self._show()

    def pause_or_resume(self) -> None:
        """Hold the fine-tuning, or go on."""
        job = self.session.tuning
        if job is not None:
            (self.session.resume_tuning if job.pausing else self.session.pause_tuning)()
        self._show()

    def undo(self) -> None:
        """Take back what was done last."""
        self._view.show_messages([])
        self.session.undo()
        self._show()

    def redo(self) -> None:
        """Do again what was taken back last."""
        self.session.redo()
        self._show()

    def next_spot(self) -> None:
        """Go to where a stroke would help most."""
        if self._bound is None:
            self._say(Message("Nothing is painted on yet.", "Press Start scribbling."))
        else:
            self._bound.advisor.next_spot()
        self._show()

    def calibrate(self) -> None:
        """Compare answers with strokes that they have not heard."""
        if self._bound is not None:
            self._bound.advisor.calibrate()
        self._show()

    def show_doubt(self, kind: DoubtChoice) -> None:
        """Show a map of uncertainty, or none.

        Parameters
        ----------
        kind : "none", "entropy", "margin" or "disagreement"
            Which.
        """
        if self._bound is not None:
            self._bound.advisor.show_doubt(kind)
        self._show()

    def import_strokes(self) -> None:
        """Read strokes from a file that the person chooses."""
        path = self._view.ask_what_to_import()
        if path is not None:
            self.files.read(path)

    def export_strokes(self) -> None:
        """Write strokes to a file that the person chooses."""
        path = self._view.ask_where_to_export("scribbles.nii.gz")
        if path is not None:
            self.files.write(path)

    def press(self, key: str) -> None:
        """Do what a key does.

        Parameters
        ----------
        key : str
            Its name.
        """
        self._pressing(key)()

    def shut_down(self) -> None:
        """End with the window: nothing listens any more; the layers stay."""
        if self._closed:
            return
        self._closed = True
        self._keys.release()
        self.session.changed.disconnect(self._on_changed)
        self.session.refused.disconnect(self._on_refused)
        self.session.slice_answered.disconnect(self._on_slice)
        self._release()
        self.files.shut_down()
        self.session.cancel_tuning()
        self.opening.shut_down()

    def _pressing(self, key: str) -> Any:
        return {
            NEXT_SPOT.name: self.next_spot,
            NEXT_CLASS.name: self.next_class,
            TUNE.name: lambda: self.finetune(5.0),
            DROP.name: self.editor.drop_under_mouse,
            INTERPOLATE.name: self.editor.interpolate,
            UNDO.name: self.undo,
            REDO.name: self.redo,
        }[key]

    def _bind(self, grid: LayerGrid) -> None:
        """Add or find the layers, and listen to them."""
        self._release()
        self._bound = Workplace(self._viewer, self.session, self.opening.image, grid, self._say, clock=self._clock)
        self.editor.bind(self._bound)
        self.choose(self._bound.lines[0].value)

    def _release(self) -> None:
        if self._bound is not None:
            self._bound.release()
        self._bound = None
        self.editor.bind(None)

    def _on_slice(self, answer: SliceAnswer) -> None:
        if self._bound is not None:
            self._bound.show_slice(answer)

    def _on_changed(self, what: str) -> None:
        if self._bound is not None:
            self._bound.follow(what)
        result = self.session.result
        if what == "result" and result is not None and result.method == "finetuned" and result is not self._told:
            self._told = result
            self._view.show_messages([finding_message(f) for f in result.findings if f.code in _OF_TUNING])

    def _on_refused(self, finding: Finding) -> None:
        self._say(finding_message(finding))

    def _say(self, message: Message) -> None:
        self._view.show_messages([message])

    def _show(self) -> None:
        session, bound = self.session, self._bound
        advisor = None if bound is None else bound.advisor
        shown = Shown(
            started=self.started,
            starting=self.opening.busy,
            asks_axis4=self.opening.asks_axis4,
            axis4=self.opening.axis4,
            lines=() if bound is None else bound.lines,
            tool=self._tool,
            editing=self.editor.on,
            edit_tool=self.editor.tool,
            n_edited=self.editor.n_edited,
            sentence=self._sentence(),
            tuning=tuning_of(session, painted=bound is not None and any(line.n_voxels for line in bound.lines)),
            has_result=self.started and session.result is not None,
            spot="" if advisor is None else advisor.spot,
            calibration="" if advisor is None else advisor.calibration,
            doubt="none" if advisor is None else advisor.doubt,
            carried="" if session.carried is None else "trial" if session.carried_on_trial else "offered",
            undo=session.can_undo,
            redo=session.can_redo,
        )
        if shown != self._shown:
            self._shown = shown
            self._view.show_state(shown)

    def _sentence(self) -> str:
        scribbles = self.session.scribbles
        if self.opening.busy:
            return "Reading the image …"
        if self._bound is None or scribbles is None:
            return "Choose an image in the list of layers, and press Start scribbling."
        told = state_in_words(scribbles, self._bound.unpainted, answering=self.session.answering)
        if self.editor.on:
            return f"{told} {self.editor.in_words(self._bound.lines)}"
        return f"{told} The brush paints: {tool_in_words(self._tool, self._bound.lines)}."
