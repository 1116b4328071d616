"""What is shown of a finished run: its result, or the mixture that was refined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from napari_gmmseg.docks.common.sentences import Message, finding_message
from napari_gmmseg.docks.segment import wording
from napari_gmmseg.docks.segment.choices import ChangeRow
from napari_gmmseg.docks.segment.map_layers import MapLayers
from napari_gmmseg.docks.segment.outcome import Outcome
from napari_gmmseg.docks.segment.result_layer import ResultLayer
from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.plugin.slices import slider_step
from napari_gmmseg.volumes import ClassTable


class ShownResult:
    """Shows a run's result in layer and window, and swaps it for what was refined and back; each keeps its paint.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    view : SegmentView
        The window.
    layer : ResultLayer
        The run's layer.
    outcome : Outcome
        The result.
    name : str
        The image's name.
    messages : sequence of Message
        What else is said.
    """

    def __init__(
        self,
        viewer: Any,
        view: SegmentView,
        layer: ResultLayer,
        outcome: Outcome,
        name: str,
        messages: Sequence[Message] = (),
    ) -> None:
        self._viewer = viewer
        self._view = view
        self._layer = layer
        self._result = outcome
        self._keeps_base = False
        self._painted: dict[bool, NDArray[Any] | None] = {}
        layer.finish(outcome)
        self._maps = MapLayers(viewer, outcome, layer.place, name)
        self._tell(*messages)

    @property
    def can_swap(self) -> bool:
        """Whether something was refined, and the layer is there to show either."""
        return self._result.refinement is not None and self._layer.layer is not None

    @property
    def is_painted_on(self) -> bool:
        """Whether a person changed the layer since it was shown."""
        return self._layer.layer is not None and self._layer.paint_on(self._shown) is not None

    @property
    def classes(self) -> ClassTable:
        """Names and colours of what is shown."""
        return self._shown.segmentation.label_map.classes

    def show_again(self) -> None:
        """Show it once more, after something else was in its layer."""
        self._layer.finish(self._shown)
        self._view.show_progress(wording.done_in_words(self._result.segmentation), 1.0)
        self._tell()

    def add_next_map(self) -> bool:
        """Add one more map, where there is one; return whether there are others still."""
        return self._maps.add_next()

    def keep_base(self, keep: bool) -> None:
        """Show the mixture that was refined, or the refined result.

        What a person has painted since is neither lost nor carried over: it stays with the result it was painted on,
        and comes back with it.

        Parameters
        ----------
        keep : bool
            Whether it is the mixture.
        """
        refinement = self._result.refinement
        if refinement is None or keep == self._keeps_base:
            return
        if not self._layer.keeps_its_shape:
            self._view.show_messages([wording.RESHAPED] if self._layer.layer is not None else [])
            self._tell_refinement()
            return
        self._painted[self._keeps_base] = self._layer.paint_on(self._shown)
        paint_stays = self._painted[self._keeps_base] is not None
        self._keeps_base = keep
        self._layer.swap(self._shown, self._painted.get(keep))
        self._maps.swap(self._shown)
        self._view.show_saved("")
        self._tell(*([wording.PAINT_STAYS] if paint_stays else []))

    @property
    def _shown(self) -> Outcome:
        refinement = self._result.refinement
        return refinement.base if refinement is not None and self._keeps_base else self._result

    def _tell(self, *messages: Message) -> None:
        """Say what is shown: method, table, certainty, doubts, and what the refinement changed."""
        shown = self._shown
        layer, z = self._layer.layer, shown.least_sure
        step = None if layer is None or z is None else slider_step(self._viewer.dims, layer, shown.grid, z)
        done = wording.done_in_words(self._result.segmentation, keeps_base=self._keeps_base)
        self._view.show_progress(done, 1.0)
        self._view.show_result(shown.rows, wording.with_place(shown.certainty, step))
        self._view.show_messages([*messages, *map(finding_message, shown.segmentation.findings)])
        self._tell_refinement()

    def _tell_refinement(self) -> None:
        refinement = self._result.refinement
        changes: Sequence[ChangeRow]
        sentence, changes = ("", []) if refinement is None else (refinement.sentence, refinement.changes)
        self._view.show_refinement(sentence, changes, keeps_spatial=self._keeps_base)
