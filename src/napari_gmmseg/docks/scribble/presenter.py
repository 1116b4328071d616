"""What the Scribble dock does, in plain Python: strokes to the session, its answers to the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_gmmseg.docks.common.keys import REDO, UNDO, BoundKeys, Key
from napari_gmmseg.docks.common.sentences import Message, error_message, finding_message
from napari_gmmseg.docks.scribble.advising import Advisor
from napari_gmmseg.docks.scribble.files import StrokeFiles
from napari_gmmseg.docks.scribble.opening import case_in_steps, case_to_paint
from napari_gmmseg.docks.scribble.shown import (
    DoubtChoice,
    ScribbleLine,
    Shown,
    Tuning,
    lines_of,
    state_in_words,
    tool_in_words,
)
from napari_gmmseg.docks.scribble.view_protocol import ScribbleDockView
from napari_gmmseg.docks.segment.case import Opened
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.plugin.answer_layer import AnswerLayer
from napari_gmmseg.plugin.bound_labels import Painted
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.scribble_layer import ScribbleLayer
from napari_gmmseg.plugin.slices import shown_place, slice_at
from napari_gmmseg.session import Job
from napari_gmmseg.session.answering import SliceAnswer
from napari_gmmseg.session.registry import session_of
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import IGNORED, UNLABELLED, Finding, Stroke

NEXT_SPOT = Key("next_spot", "Shift-N", "Go to where a stroke would help most")
NEXT_CLASS = Key("next_class", "Shift-K", "Paint with the next class")
TUNE = Key("finetune", "Shift-T", "Fine-tune the network for 5 s")
KEYS = (NEXT_SPOT, NEXT_CLASS, TUNE, UNDO, REDO)
_IMAGE_GONE = Message("The image is not in the viewer any more.", "Choose another and press Start scribbling.")
_LAYER_GONE = Message(
    "The layer of strokes was removed; the session still has them.", "Press Start scribbling to have it back."
)


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
    """

    def __init__(self, viewer: Any, view: ScribbleDockView, *, session: Session | None = None) -> None:
        self._viewer, self._view = viewer, view
        self.session = session_of(viewer) if session is None else session
        self._opening: Job[Opened] | None = None
        self._image: Any = None
        self._grid: LayerGrid | None = None
        self._strokes: ScribbleLayer | None = None
        self._answer: AnswerLayer | None = None
        self._advisor: Advisor | None = None
        self._tool = UNLABELLED
        self._editing = self._closed = False
        self._looked: int | None = None
        self._lines: tuple[ScribbleLine, ...] = ()
        self._unpainted: tuple[int, ...] = ()
        self._shown = Shown()
        self.files = StrokeFiles(self.session)
        self._keys = BoundKeys(viewer, KEYS, {key.name: self._pressing(key.name) for key in KEYS})
        self.session.changed.connect(self._on_changed)
        self.session.refused.connect(self._on_refused)
        self.session.slice_answered.connect(self._on_slice)
        view.show_state(self._shown)

    @property
    def busy(self) -> bool:
        """Whether something is on that the window should look at often."""
        advising = self._advisor is not None and self._advisor.busy
        on = self.session.answering or self.session.tuning is not None or self.files.busy
        return self._opening is not None or advising or on

    @property
    def started(self) -> bool:
        """Whether strokes are listened to."""
        return self._strokes is not None

    def start(self) -> None:
        """Read the chosen image and add the layer of strokes."""
        if self._opening is not None:
            return
        try:
            case = case_to_paint(self._viewer)
        except GmmsegError as error:
            self._say(error_message(error))
            return
        if isinstance(case, Message):
            self._say(case)
            return
        inputs, self._image = case
        before = self.session.request
        self._opening = Job(lambda: case_in_steps(inputs, before), name="reading")
        self._opening.start()
        self._view.show_messages([])
        self._show()

    def poll(self) -> None:
        """Follow session, layers and jobs; called by the window many times a second."""
        if self._closed:
            return
        if self._opening is not None and self._opening.state.ended:
            self._open()
        if self._strokes is not None:
            self._strokes.poll()
        if self._answer is not None:
            self._answer.poll()
        self._look()
        self.session.poll()
        if self._advisor is not None:
            self._advisor.poll()
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
        if self._editing and self._answer is not None and tool != IGNORED:
            self._answer.edit(tool)
        elif self._strokes is not None:
            self._editing = False
            self._strokes.choose(tool)
            self.set_brush()
        self._show()

    def next_class(self) -> None:
        """Paint with the class after the one at hand."""
        values = [line.value for line in self._lines]
        if values:
            at = values.index(self._tool) + 1 if self._tool in values else 0
            self.choose(values[at % len(values)])

    def set_brush(self) -> None:
        """Take over the brush's size from the window."""
        if self._strokes is not None:
            millimetres, ball = self._view.brush
            self._strokes.set_brush(millimetres, ball=ball)

    def edit_result(self, on: bool) -> None:
        """Have the brush set voxels of the result by hand, or paint strokes again.

        Parameters
        ----------
        on : bool
            Whether the result is edited.
        """
        if on and (self._answer is None or self.session.result is None):
            self._say(Message("There is no result to edit yet.", "Paint a stroke in each class first."))
            on = False
        self._editing = on
        self.choose(self._tool)

    def declare_background(self, value: int | None) -> None:
        """Say which class is background.

        Parameters
        ----------
        value : int or None
            Its label value; None where every class is a tissue.
        """
        self.session.declare_background(value)

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
        if self._advisor is None:
            self._say(Message("Nothing is painted on yet.", "Press Start scribbling."))
        else:
            self._advisor.next_spot()
        self._show()

    def calibrate(self) -> None:
        """Compare answers with strokes that they have not heard."""
        if self._advisor is not None:
            self._advisor.calibrate()
        self._show()

    def show_doubt(self, kind: DoubtChoice) -> None:
        """Show a map of uncertainty, or none.

        Parameters
        ----------
        kind : "none", "entropy" or "margin"
            Which.
        """
        if self._advisor is not None:
            self._advisor.show_doubt(kind)
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
        if self._opening is not None:
            self._opening.cancel()

    def _pressing(self, key: str) -> Any:
        return {
            NEXT_SPOT.name: self.next_spot,
            NEXT_CLASS.name: self.next_class,
            TUNE.name: lambda: self.finetune(5.0),
            UNDO.name: self.undo,
            REDO.name: self.redo,
        }[key]

    def _open(self) -> None:
        opening, self._opening = self._opening, None
        assert opening is not None
        if opening.result is None:
            self._say(Message("Nothing was read.") if opening.error is None else error_message(opening.error))
            return
        opened = opening.result
        if opened.how == "anew" or self.session.request is None:
            self.session.open(opened.request)
        self._bind(opened.grid)

    def _bind(self, grid: LayerGrid) -> None:
        """Add or find the layers, and listen to them."""
        self._release()
        scribbles = self.session.scribbles
        assert scribbles is not None
        self._grid = grid
        self._answer = AnswerLayer(self._viewer, self._image, grid, scribbles.shape, self._on_edited)
        self._answer.show(self.session.result)
        self._strokes = ScribbleLayer(
            self._viewer, self._image, grid, scribbles, self._on_painted, self.session.take_stroke_back
        )
        self._advisor = Advisor(self._viewer, self.session, self._image, grid, self._say)
        self._count()
        self.session.warm_answers()
        self.choose(self._lines[0].value)

    def _release(self) -> None:
        for bound in (self._strokes, self._answer):
            if bound is not None:
                bound.release()
        if self._answer is not None and self._answer.layer is not None:
            self._viewer.layers.remove(self._answer.layer)
        if self._advisor is not None:
            self._advisor.shut_down()
        self._strokes = self._answer = self._advisor = None

    def _look(self) -> None:
        """Tell the session which slice is shown, and notice what is gone."""
        if self._strokes is None or self._grid is None:
            return
        if not any(layer is self._image for layer in self._viewer.layers):
            self._release()
            self._say(_IMAGE_GONE)
            return
        if self._strokes.layer is None:
            self._release()
            self._say(_LAYER_GONE)
            return
        z = slice_at(shown_place(self._viewer.dims, self._image), self._grid)
        if z is not None and z != self._looked:
            self._looked = z
            self.session.look(z)

    def _on_painted(self, strokes: Sequence[Stroke]) -> None:
        self._view.show_messages([])
        scribbles = self.session.scribbles
        known = () if scribbles is None else (*scribbles.classes.values, UNLABELLED, IGNORED)
        unknown = sorted({stroke.value for stroke in strokes} - set(known))
        if unknown:
            self._say(Message(f"There is no class of the label {unknown[0]}.", "Choose one of the classes above."))
        for stroke in strokes:
            if stroke.value in known:
                self.session.scribble(stroke)
        self._on_changed("scribbles")

    def _on_edited(self, painted: Sequence[Painted]) -> None:
        for value, voxels in painted:
            self.session.edit(voxels, value)
        self._on_changed("result")

    def _on_slice(self, answer: SliceAnswer) -> None:
        if self._answer is not None and self.session.scribbles is not None:
            self._answer.colour(self.session.scribbles.classes)
            self._answer.show_slice(answer.labels, answer.slice_index)

    def _on_changed(self, what: str) -> None:
        scribbles = self.session.scribbles
        if self._strokes is not None and what in ("scribbles", "classes", "result") and scribbles is not None:
            self._strokes.show(scribbles)
            self._count()
        if self._answer is not None and what == "result":
            self._answer.show(self.session.result)

    def _on_refused(self, finding: Finding) -> None:
        self._say(finding_message(finding))

    def _count(self) -> None:
        scribbles = self.session.scribbles
        if scribbles is not None:
            self._lines, self._unpainted = lines_of(scribbles), self.session.unpainted

    def _say(self, message: Message) -> None:
        self._view.show_messages([message])

    def _show(self) -> None:
        session, advisor = self.session, self._advisor
        shown = Shown(
            started=self.started,
            starting=self._opening is not None,
            lines=self._lines if self.started else (),
            tool=self._tool,
            editing=self._editing,
            sentence=self._sentence(),
            tuning=self._tuning(),
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
        if self._opening is not None:
            return "Reading the image …"
        if not self.started or scribbles is None:
            return "Choose an image in the list of layers, and press Start scribbling."
        told = state_in_words(scribbles, self._unpainted, answering=self.session.answering)
        verb = "sets the result to" if self._editing else "paints"
        return f"{told} The brush {verb}: {tool_in_words(self._tool, self._lines)}."

    def _tuning(self) -> Tuning:
        job, progress = self.session.tuning, self.session.tuning_progress
        painted = any(line.n_voxels for line in self._lines)
        if job is None:
            return Tuning(can_begin=self.started and painted and not self.session.running)
        if progress is None:
            return Tuning(on=True, paused=job.pausing, text="Preparing the network …", fraction=None)
        report = progress.report
        text = f"{report.phase}: step {report.step}, {report.seconds:.0f} s"
        if progress.remaining is not None:
            text += f", {progress.remaining:.0f} s left"
        return Tuning(
            on=True,
            paused=job.pausing,
            text=f"Paused. {text}" if job.pausing else text,
            fraction=report.step / report.n_steps if report.n_steps else None,
        )
