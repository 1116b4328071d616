"""The layers of one image that is painted on: strokes to the session, and its answers to the viewer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.scribble.advising import Advisor
from napari_gmmseg.docks.scribble.shown import ScribbleLine, lines_of
from napari_gmmseg.plugin.answer_layer import AnswerLayer
from napari_gmmseg.plugin.bound_labels import Painted
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.scribble_layer import ScribbleLayer
from napari_gmmseg.plugin.slices import across, frame_at, shown_place, slice_at
from napari_gmmseg.session.answering import SliceAnswer
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import IGNORED, UNLABELLED, Stroke

#: Shortest time between two previews of the network, in s.
_PREVIEW_INTERVAL = 0.2
_IMAGE_GONE = Message("The image is not in the viewer any more.", "Choose another and press Start scribbling.")
_LAYER_GONE = Message(
    "The layer of strokes was removed; the session still has them.", "Press Start scribbling to have it back."
)


class Workplace:
    """Follows the layers of one image and the session that answers; for the GUI thread.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    session : Session
        With the image.
    image : napari.layers.Image
        What is painted on.
    grid : LayerGrid
        The way between the image's layer and its volume.
    say : callable
        Takes messages.
    clock : callable
        Returns the time in s.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        image: Any,
        grid: LayerGrid,
        say: Callable[[Message], object],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._viewer, self._session, self._image, self._grid = viewer, session, image, grid
        self._say, self._clock = say, clock
        self._previewed_at = float("-inf")
        self._looked: int | None = None
        #: A line for each class, and the label values of those that nothing tells about.
        self.lines: tuple[ScribbleLine, ...] = ()
        self.unpainted: tuple[int, ...] = ()
        scribbles = session.scribbles
        assert scribbles is not None
        self.answer = AnswerLayer(viewer, image, grid, scribbles.shape, self._on_edited)
        self.answer.show(session.result)
        self.strokes = ScribbleLayer(viewer, image, grid, scribbles, self._on_painted, session.take_stroke_back)
        self.advisor = Advisor(viewer, session, image, grid, say)
        self._count()
        session.warm_answers()

    @property
    def across(self) -> int:
        """The volume's axis across which the shown plane lies, counted from the end."""
        return across(shown_place(self._viewer.dims, self._image), self._grid)

    @property
    def frame(self) -> int | None:
        """The frame that is shown; None without a time axis."""
        return frame_at(shown_place(self._viewer.dims, self._image), self._grid)

    def poll(self) -> Message | None:
        """Follow layers and jobs; return what is to be said where image or strokes are gone from the viewer."""
        if not any(layer is self._image for layer in self._viewer.layers):
            return _IMAGE_GONE
        if self.strokes.layer is None:
            return _LAYER_GONE
        self.strokes.poll()
        self.answer.poll()
        self._look()
        self._show_preview()
        self.advisor.poll()
        return None

    def follow(self, what: str) -> None:
        """Show what has changed in the session.

        Parameters
        ----------
        what : str
            As `Session.changed` says it.
        """
        session = self._session
        scribbles = session.scribbles
        if what in ("scribbles", "classes", "result", "settings") and scribbles is not None:
            self.strokes.show(scribbles)
            self._count()
        if what == "scribbles":
            self.advisor.forget_spot()
        if what == "result" or (what == "tuning" and session.tuning is None):
            self.answer.show(session.result)

    def show_slice(self, answer: SliceAnswer) -> None:
        """Show a slice that was answered.

        Parameters
        ----------
        answer : SliceAnswer
            With the edits.
        """
        scribbles = self._session.scribbles
        if scribbles is not None:
            self.answer.colour(scribbles.classes)
        self.answer.show_slice(answer.labels, answer.slice_index)

    def release(self) -> None:
        """Listen no more; the strokes stay in the viewer."""
        self.strokes.release()
        self.answer.release()
        if self.answer.layer is not None:
            self._viewer.layers.remove(self.answer.layer)
        self.advisor.shut_down()

    def _look(self) -> None:
        """Tell the session which slice is shown."""
        z = slice_at(shown_place(self._viewer.dims, self._image), self._grid)
        if z is not None and z != self._looked:
            self._looked = z
            self._session.look(z)

    def _show_preview(self) -> None:
        """Show what the network makes of the shown slice by now."""
        session, now, z = self._session, self._clock(), self._looked
        job = session.tuning
        if job is None or z is None or session.result is None or now - self._previewed_at < _PREVIEW_INTERVAL:
            return
        preview = job.take_preview()
        if preview is not None:
            self._previewed_at = now
            self.show_slice(SliceAnswer(preview[..., z : z + 1, :, :], z).edited(session.edits))

    def _on_painted(self, strokes: Sequence[Stroke]) -> None:
        scribbles = self._session.scribbles
        assert scribbles is not None
        known = (*scribbles.classes.values, UNLABELLED, IGNORED)
        for stroke in strokes:
            if stroke.value in known:
                self._session.scribble(stroke)
            else:
                hint = "Choose one of the classes in the dock, or add one."
                self._say(Message(f"There is no class of the label {stroke.value}.", hint))
        accepted = self._session.scribbles
        assert accepted is not None
        new = accepted.strokes[len(scribbles.strokes) :]
        if sum(len(s.voxels) for s in new) < sum(len(s.voxels) for s in strokes):
            # What was refused does not stay in the layer.
            self.strokes.show(accepted, again=True)

    def _on_edited(self, painted: Sequence[Painted]) -> None:
        for value, voxels in painted:
            self._session.edit(voxels, value)
        self.answer.show(self._session.result)

    def _count(self) -> None:
        scribbles = self._session.scribbles
        if scribbles is not None:
            self.lines, self.unpainted = lines_of(scribbles), self._session.unpainted
