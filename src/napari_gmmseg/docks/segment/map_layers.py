"""The layers of a result's proposed brain, probabilities and uncertainty: added one by one, for each takes a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari_gmmseg.docks.segment.outcome import Outcome
from napari_gmmseg.plugin.maps import PROPOSED, map_layer, proposed_brain_layer
from napari_gmmseg.plugin.metadata import KEY, entry_of
from napari_gmmseg.volumes import LabelMap


class MapLayers:
    """Adds the maps of one run.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    outcome : Outcome
        The result whose maps they are.
    place : mapping
        The transform with which they lie over the image.
    name : str
        Beginning of their names.
    """

    def __init__(self, viewer: Any, outcome: Outcome, place: Mapping[str, Any], name: str) -> None:
        self._viewer = viewer
        self._outcome = outcome
        self._place = place
        self._name = name
        self._wanted = [result_map.key for result_map in outcome.maps]
        self._maps = {result_map.key: result_map for result_map in outcome.maps}
        self._layers: dict[str, Any] = {}
        self._asks_brain = True

    def add_next(self) -> bool:
        """Add one more; return whether there are others still."""
        if self._asks_brain:
            self._asks_brain = False
            if self._add_brain():
                return bool(self._wanted)
        if self._wanted:
            key = self._wanted.pop(0)
            outcome = self._outcome
            label_map = outcome.segmentation.label_map
            data, settings, _ = map_layer(self._maps[key], label_map, outcome.grid, self._place, self._name)
            self._layers[key] = self._add(self._viewer.add_image, data, settings)
        return bool(self._wanted)

    def _add_brain(self) -> bool:
        """Add the proposed brain, once: what a person has corrected in it stays; return whether it was added."""
        outcome = self._outcome
        layer = proposed_brain_layer(outcome.segmentation, outcome.grid, self._place, self._name)
        if layer is None:
            return False
        data, settings, _ = layer
        there = (other for other in self._viewer.layers if entry_of(other.metadata).get("role") == PROPOSED)
        known = outcome.segmentation.label_map
        if any(other.name == settings["name"] and _is_of(other, known) for other in there):
            return False
        self._add(self._viewer.add_labels, data, settings)
        return True

    def _add(self, add: Callable[..., Any], data: Any, settings: Mapping[str, Any]) -> Any:
        """Add a layer and leave selected what was."""
        chosen = self._viewer.layers.selection.active
        added = add(data, **settings)
        if chosen is not None and chosen in self._viewer.layers:
            self._viewer.layers.selection.active = chosen
        # The viewer that napari hands a plugin wraps what it returns: the list has the layer itself.
        return next(layer for layer in self._viewer.layers if layer == added)

    def swap(self, outcome: Outcome) -> None:
        """Show the maps of another result of the same run; a map that it does not have stays.

        Parameters
        ----------
        outcome : Outcome
            The result.
        """
        self._outcome = outcome
        for result_map in outcome.maps:
            self._maps[result_map.key] = result_map
            layer = self._layers.get(result_map.key)
            if layer is not None and any(layer is other for other in self._viewer.layers):
                layer.data = outcome.grid.to_layer(result_map.array)
                entry = {**entry_of(layer.metadata), "label_map": outcome.segmentation.label_map}
                layer.metadata = {**layer.metadata, KEY: entry}


def _is_of(layer: Any, label_map: LabelMap) -> bool:
    """Whether a proposed brain is that of the image of a result: another one may have the same name."""
    brain: LabelMap | None = entry_of(layer.metadata).get("label_map")
    if brain is None or brain.geometry.shape != label_map.geometry.shape:
        return False
    files = [None if known.source is None else known.source.paths for known in (brain, label_map)]
    return files[0] == files[1] and brain.geometry.same_grid(label_map.geometry)
