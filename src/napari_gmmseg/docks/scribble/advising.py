"""Where to paint next, how unsure the result is, and whether to believe it: on threads, for one presenter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_gmmseg.docks.common.sentences import Message, error_message
from napari_gmmseg.docks.scribble.shown import DoubtChoice
from napari_gmmseg.plugin.bound_labels import positions_of
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import KEY, entry_of
from napari_gmmseg.plugin.scribble_layer import find_scribble_layer
from napari_gmmseg.plugin.shown import display_like
from napari_gmmseg.plugin.spot_layer import SpotLayer
from napari_gmmseg.session import Job, Steps
from napari_gmmseg.session.advising import OfResult, advice_in_steps, calibration_in_steps, doubt_in_steps
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import NetworkWeights, Segmentation

_NO_SNAPSHOTS = Message(
    "There is no fine-tuned network whose snapshots could disagree.", "Fine-tune first, for some steps."
)
_NO_RESULT = Message("There is no answer yet.", "Paint a stroke in each class first.")


class Advisor:
    """Asks for advice, doubt and calibration, and shows them in the viewer; for the GUI thread.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    session : Session
        Whose result.
    image : napari.layers.Image
        What is painted on.
    grid : LayerGrid
        The way between the image's layer and its volume.
    say : callable
        Takes messages.
    """

    def __init__(
        self, viewer: Any, session: Session, image: Any, grid: LayerGrid, say: Callable[[Message], object]
    ) -> None:
        self._viewer, self._session, self._image, self._grid, self._say = viewer, session, image, grid, say
        self._ring = SpotLayer(viewer, image, grid)
        self._jobs: dict[str, tuple[Job[Any], Segmentation]] = {}
        self._advised: Segmentation | None = None
        self._spots: list[Any] = []
        self._n_spots = 0
        #: The method of the result that a temperature was fitted to, and the temperature.
        self._calibration: tuple[str, Any] | None = None
        self._doubt_of: Segmentation | NetworkWeights | None = None
        self.doubt: DoubtChoice = "none"
        self.spot = self.calibration = ""

    @property
    def busy(self) -> bool:
        """Whether something is being worked out."""
        return bool(self._jobs)

    def forget_spot(self) -> None:
        """Leave the place alone: something was painted since."""
        self._ring.hide()
        self.spot = ""

    def next_spot(self) -> None:
        """Go to where a stroke would help most; once more, to the next best."""
        result = self._session.result
        if result is None:
            self._say(_NO_RESULT)
        elif result is self._advised and self._spots:
            self._go(self._spots.pop(0))
        elif "spot" not in self._jobs:
            scribbles = self._session.scribbles
            assert scribbles is not None
            self.spot = "Looking where to paint …"
            self._begin("spot", result, lambda: advice_in_steps(result, scribbles))

    def calibrate(self) -> None:
        """Compare answers with strokes that they have not heard."""
        request, scribbles, result = self._session.request, self._session.scribbles, self._session.result
        if request is None or scribbles is None or result is None:
            self._say(_NO_RESULT)
            return
        self.calibration = "Calibrating …"
        self._begin("calibration", result, lambda: calibration_in_steps(request, scribbles))

    def show_doubt(self, kind: DoubtChoice) -> None:
        """Show a map of uncertainty, which follows the result, or none.

        Parameters
        ----------
        kind : "none", "entropy", "margin" or "disagreement"
            Which.
        """
        if kind == "disagreement" and not self._has_snapshots:
            self._say(_NO_SNAPSHOTS)
            kind = "none"
        self.doubt, self._doubt_of = kind, None
        layer = self._doubt_layer()
        if kind == "none" and layer is not None:
            self._viewer.layers.remove(layer)
        self._follow_result()

    def poll(self) -> bool:
        """Take what was worked out; return whether there is anything new to say."""
        done = [name for name, (job, _) in self._jobs.items() if job.state.ended]
        for name in done:
            job, result = self._jobs.pop(name)
            if job.error is not None:
                self._say(error_message(job.error))
                setattr(self, name if name != "doubt" else "_unused", "")
            elif job.result is not None:
                getattr(self, f"_take_{name}")(job.result, result)
        self._follow_result()
        return bool(done)

    def shut_down(self) -> None:
        """Leave no thread."""
        self._ring.hide()
        for job, _ in self._jobs.values():
            job.cancel()
        self._jobs.clear()

    def _begin(self, name: str, result: Segmentation, steps: Callable[[], Steps[Any]]) -> None:
        if name in self._jobs:
            self._jobs[name][0].cancel()
        job: Job[Any] = Job(steps, name=f"scribbles-{name}")
        self._jobs[name] = job, result
        job.start()

    def _take_spot(self, advice: Any, result: Segmentation) -> None:
        self._advised, self._spots = result, list(advice.spots)
        self._n_spots = len(self._spots)
        if self._spots:
            self._go(self._spots.pop(0))
        else:
            found = advice.finding
            self.spot = "No stroke would help much any more." if found is None else found.message

    def _take_calibration(self, calibration: Any, result: Segmentation) -> None:
        self._calibration, self._doubt_of = (result.method, calibration), None
        self.calibration = calibration_in_words(calibration)

    def _take_doubt(self, found: Any, result: Segmentation) -> None:
        if found.kind != self.doubt:
            return
        shown = np.array(self._grid.to_layer(found.values))
        layer = self._doubt_layer()
        if layer is None:
            place = display_like(self._image, self._grid.label_axes(int(self._image.ndim)))
            layers = self._viewer.layers
            active = layers.selection.active
            self._viewer.add_image(
                shown,
                name=f"{self._image.name} uncertainty",
                colormap="inferno",
                contrast_limits=(0.0, found.most),
                blending="translucent",
                opacity=0.85,
                metadata={KEY: {"role": "map", "doubt": True, "of": id(self._image)}},
                **place,
            )
            strokes = find_scribble_layer(layers, self._image)
            if strokes is not None:
                # Strokes stay on top.
                layers.move(len(layers) - 1, layers.index(strokes))
            layers.selection.active = active
        else:
            layer.data = shown
            layer.contrast_limits = (0.0, found.most)
        if found.kind != "disagreement":
            self._doubt_of = result

    def _follow_result(self) -> None:
        """Have the map of uncertainty follow the newest result, once strokes are answered."""
        result = self._session.result
        settled = result is not None and not self._session.answering
        if self.doubt == "none" or not settled or "doubt" in self._jobs:
            return
        assert result is not None
        if self.doubt == "disagreement":
            self._follow_network(result)
        elif result is not self._doubt_of:
            kind: OfResult = "entropy" if self.doubt == "entropy" else "margin"
            # A temperature holds for the answers that it was fitted to, not for a network's.
            method, calibration = self._calibration or ("", None)
            calibration = calibration if method == result.method else None
            self._doubt_of = result
            self._begin("doubt", result, lambda: doubt_in_steps(result, kind, calibration))

    def _follow_network(self, result: Segmentation) -> None:
        """Have the map follow the network: strokes do not change what its snapshots say."""
        network = self._session.situation.weights
        if not self._has_snapshots:
            # The fine-tuning was undone.
            self.show_doubt("none")
        elif network is not self._doubt_of:
            self._doubt_of = network
            steps = self._session.disagreement_in_steps()
            assert steps is not None
            self._begin("doubt", result, lambda: steps)

    @property
    def _has_snapshots(self) -> bool:
        network = self._session.situation.weights
        return network is not None and bool(network.snapshots)

    def _doubt_layer(self) -> Any | None:
        for layer in self._viewer.layers:
            entry = entry_of(layer.metadata)
            if entry.get("doubt") and entry.get("of") == id(self._image):
                return layer
        return None

    def _go(self, spot: Any) -> None:
        """Move slice and centre to a spot, and say why."""
        go_to(self._viewer, self._image, self._grid, spot.position)
        self._ring.show(spot.position)
        number = self._n_spots - len(self._spots)
        more = f" (spot {number} of {self._n_spots})" if self._n_spots > 1 else ""
        self.spot = f"{spot.why}{more}"


def go_to(viewer: Any, image: Any, grid: LayerGrid, voxel: tuple[int, ...]) -> None:
    """Move the viewer's slice and centre to a voxel.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    image : napari.layers.Image
        The image's layer.
    grid : LayerGrid
        The way from its volume.
    voxel : tuple of int
        (z, y, x), or (t, z, y, x).
    """
    labels = positions_of(np.array([voxel]), grid)[0]
    axes = grid.label_axes(int(image.ndim))
    place = image.world_to_data(np.array(viewer.dims.point)[-image.ndim :])
    place = np.array(place, dtype=np.float64)
    place[axes] = labels
    world = np.asarray(image.data_to_world(tuple(place)), dtype=np.float64)
    first = viewer.dims.ndim - image.ndim
    for axis in viewer.dims.not_displayed:
        if axis >= first:
            viewer.dims.set_point(axis, float(world[axis - first]))
    centre = np.array(viewer.scene.camera.center, dtype=np.float64)
    for slot, axis in zip(range(-len(viewer.dims.displayed), 0), viewer.dims.displayed, strict=True):
        if axis >= first:
            centre[slot] = world[axis - first]
    viewer.scene.camera.center = tuple(centre)


def calibration_in_words(calibration: Any) -> str:
    """Say what a calibration found.

    Parameters
    ----------
    calibration : Calibration
        It.
    """
    if calibration.ece_before is None:
        return " ".join(f.message for f in calibration.findings) or "Too few strokes to calibrate."
    before, after = calibration.ece_before, calibration.ece_after
    told = f"Calibration error (ECE) on held-out strokes: {before:.1%} before, {after:.1%} after"
    helps = "" if after < before else "; it did not help, and probabilities stay as they are"
    return f"{told} (temperature {calibration.temperature:.2f}){helps}."
