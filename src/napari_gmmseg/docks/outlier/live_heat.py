"""The heat map on the shown slice: at once, and again with every move of a window."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.histogram.background import Background
from napari_gmmseg.docks.histogram.result_plane import ResultLayer, find_result_layer
from napari_gmmseg.docks.outlier.heat import HeatLayer
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.plugin.slices import slider_step
from napari_gmmseg.session import Session
from napari_gmmseg.session.histograms import Plane
from napari_gmmseg.session.islands import Regions, goes, regions_of, scored_plane, windows_for
from napari_gmmseg.volumes import Segmentation


class LiveHeat:
    """Scores the plane that a viewer shows, and paints it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose plane.
    session : Session
        Whose result.
    """

    def __init__(self, viewer: Any, session: Session) -> None:
        self._viewer, self._session = viewer, session
        self.layer = HeatLayer(viewer)
        self._scored: tuple[Segmentation, Plane, Any] | None = None
        self._last: Segmentation | None = None
        self._seen: tuple[Any, ...] = ()
        self._counting: Background[Regions] = Background("regions")
        self._counted: tuple[Segmentation | None, Regions | None] = (None, None)

    @property
    def busy(self) -> bool:
        """Whether connected regions are being counted."""
        return self._counting.busy

    @property
    def regions(self) -> Regions | None:
        """The connected regions of the result; None while they are counted."""
        return self._counted[1] if self._counted[0] is self._session.result else None

    def place(self) -> tuple[ResultLayer, Plane] | None:
        """Return the layer of the result and the plane of it that is shown; None where there is none."""
        request, result = self._session.request, self._session.result
        if request is None or result is None:
            return None
        shown = find_result_layer(self._viewer, request.volume, result)
        plane = None if shown is None else shown.plane(self._viewer.dims)
        return None if shown is None or plane is None else (shown, plane)

    def slider(self) -> tuple[int, int]:
        """Return where the viewer's slider shows the volume's first slice, and its step to the next; (0, 1) without."""
        place = self.place()
        if place is None:
            return 0, 1
        layer, grid = place[0].layer, place[0].grid
        first, second = (slider_step(self._viewer.dims, layer, grid, z) for z in (0, 1))
        return (0, 1) if first is None or second is None else (first, second - first)

    def paint(self, inner: int, outer: int, spared: Collection[int]) -> bool:
        """Show the score of the plane for some windows; return whether there is one.

        Parameters
        ----------
        inner, outer : int
            i and j, in voxels of the finest axis.
        spared : collection of int
            Label values of the classes that stay.
        """
        place, result = self.place(), self._session.result
        if place is None or result is None:
            return False
        shown, plane = place
        self._count(result)
        seen = (result, self._session.edits, self.regions, shown.layer, plane, inner, outer, frozenset(spared))
        if self.layer.is_there and _same(seen, self._seen):
            return True
        try:
            score = self._score(result, plane, inner, outer, spared)
        except GmmsegError:
            return False
        if result is not self._last:
            self._last = result
            self.layer.clear()
        self.layer.paint(shown, result.label_map, plane, score)
        self._seen = seen
        return True

    def forget(self) -> None:
        """Let go of what was counted."""
        self._counting.end()
        self._counted, self._seen = (None, None), ()
        self._scored, self._last = None, None

    def _count(self, result: Segmentation) -> None:
        """Have connected regions counted, once for each result."""
        done = self._counting.take()
        if done is not None and done.result is not None and done.key is result:
            self._counted = (result, done.result)
        elif self._counted[0] is not result:
            edits = self._session.edits
            self._counted = (result, None)
            self._counting.ask(result, lambda: regions_of(result, edits))

    def _score(
        self, result: Segmentation, plane: Plane, inner: int, outer: int, spared: Collection[int]
    ) -> NDArray[np.float32]:
        if self._scored is None or self._scored[0] is not result or self._scored[1] != plane:
            self._scored = (result, plane, scored_plane(result, plane))
        windows = windows_for(inner, outer, result.label_map)
        score: NDArray[np.float32] = self._scored[2].score(windows, spared=spared)
        regions = self.regions
        if regions is None:
            return score
        return goes(score, self._scored[2].solid_labels, regions, plane, windows, spared)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Tell whether what is to be seen is what is seen; of results, arrays and layers only one is the same."""
    alone = 4
    same = len(one) == len(other) and all(a is b for a, b in zip(one[:alone], other[:alone], strict=True))
    return same and one[alone:] == other[alone:]
