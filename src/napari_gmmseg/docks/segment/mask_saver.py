"""Save mask: write what the result layer shows now, on its image's grid, without holding the window up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_gmmseg.docks.common.sentences import error_message
from napari_gmmseg.docks.segment import wording
from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.plugin.metadata import label_map_of
from napari_gmmseg.plugin.saving import save_labels
from napari_gmmseg.plugin.snapshots import LayerSnapshot, take_snapshot
from napari_gmmseg.session import Job, JobState, Steps
from napari_gmmseg.volumes import FitReport


class MaskSaver:
    """Saves the result layer.

    Parameters
    ----------
    view : SegmentView
        The window.
    find_layer : callable
        Returns the layer to save, or None.
    """

    def __init__(self, view: SegmentView, find_layer: Callable[[], Any | None]) -> None:
        self._view = view
        self._find_layer = find_layer
        self._job: Job[Path] | None = None
        self._verified = True

    def save(self) -> None:
        """Ask for a file and begin to write it."""
        layer = self._find_layer()
        if layer is None or self._job is not None:
            return
        path = self._view.ask_where_to_save(_suggested_name(layer))
        if path is None:
            return
        try:
            taken = take_snapshot(layer)
        except GmmsegError as error:
            self._view.show_messages([error_message(error)])
            return
        # The person may go on painting while it is written.
        snapshot = replace(taken, data=np.array(taken.data))
        label_map = label_map_of(snapshot.metadata)
        self._verified = label_map is None or label_map.geometry.verified
        self._job = Job(lambda: _steps(path, snapshot), name="save")
        self._view.show_saved(f"Saving {path.name} …")
        self._job.start()
        self._view.start_polling()

    def poll(self) -> bool:
        """Look whether it is written; return whether there is nothing more to wait for."""
        job = self._job
        if job is None:
            return True
        if not job.state.ended:
            return False
        self._job = None
        if job.state is JobState.DONE and job.result is not None:
            self._view.show_saved(wording.saved_in_words(job.result.name, self._verified))
        else:
            self._view.show_saved("")
            if job.error is not None:
                self._view.show_messages([error_message(job.error)])
        return True


def _steps(path: Path, snapshot: LayerSnapshot) -> Steps[Path]:
    yield FitReport("Saving", 0, 0)
    return save_labels(path, snapshot)


def _suggested_name(layer: Any) -> str:
    label_map = label_map_of(layer.metadata)
    paths = label_map.source.paths if label_map is not None and label_map.source is not None else ()
    stem = paths[0].name if paths else str(layer.name)
    for suffix in (".nii.gz", ".nii", ".mgz", ".mgh", ".nrrd", ".mha", ".mhd", ".img", ".hdr", ".dcm"):
        stem = stem.removesuffix(suffix)
    return f"{stem.removesuffix(' segmentation')}_dseg.nii.gz"
