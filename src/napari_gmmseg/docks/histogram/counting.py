"""What was counted and what is to be: slices at once, volumes and regions beside the window's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_gmmseg.docks.histogram.background import Background
from napari_gmmseg.docks.histogram.result_plane import find_result_layer
from napari_gmmseg.docks.histogram.source import (
    Mask,
    Source,
    field_behind,
    make_source,
    mask_behind,
    region_layers,
    region_work,
)
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session import SegmentationRequest
from napari_gmmseg.session.histograms import Axis, Histogram, Plane, count
from napari_gmmseg.volumes import Segmentation
from napari_gmmseg.volumes.bias_field import BiasField

#: No mask was asked for yet; None is a mask, too: all voxels.
_NOTHING = object()


@dataclass(frozen=True)
class Counted:
    """A histogram with what was counted.

    Parameters
    ----------
    source : Source
        Whose intensities.
    channels : tuple of int
        One or two.
    histogram : Histogram
        The counts.
    """

    source: Source
    channels: tuple[int, ...]
    histogram: Histogram

    @property
    def axes(self) -> dict[int, Axis]:
        """The channels with their bins."""
        return dict(zip(self.channels, self.histogram.axes, strict=True))


@dataclass(frozen=True)
class _Wanted:
    """What is to be counted; two are the same only where they mean the very same arrays."""

    region: str
    channels: tuple[int, ...]
    plane: Plane | None
    source: Source
    result: Segmentation | None

    def same(self, other: _Wanted | None) -> bool:
        return (
            other is not None
            and (self.region, self.channels, self.plane) == (other.region, other.channels, other.plane)
            and self.source is other.source
            and self.result is other.result
        )


class Counting:
    """Counts what is chosen, as soon as it is another.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose plane is shown.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.region = "slice"
        self.channels: tuple[int, ...] = (0,)
        self.source: Source | None = None
        self.counted: Counted | None = None
        self._request: SegmentationRequest | None = None
        self._made_of: object = _NOTHING
        self._without: BiasField | None = None
        self._wanted: _Wanted | None = None
        self._preparing: Background[Source] = Background("histogram")
        self._working: Background[Counted] = Background("histogram")

    @property
    def busy(self) -> bool:
        """Whether something is worked out."""
        return self._preparing.busy or self._working.busy

    def forget_region(self) -> None:
        """Count again what a layer says, which is another now."""
        self._wanted = None

    def update(self, request: SegmentationRequest | None, result: Segmentation | None) -> GmmsegError | None:
        """Take what was worked out and begin with what is wanted now; return what went wrong.

        Parameters
        ----------
        request : SegmentationRequest or None
            What is worked on.
        result : Segmentation or None
            Its result.
        """
        if request is None:
            self._begin_with(None)
            return None
        if self._request is None or request.volume is not self._request.volume:
            self._begin_with(request)
        self._request = request
        mask, field = mask_behind(request, result), field_behind(request, result)
        if self._made_of is not mask or not _same_field(field, self._without):
            self._made_of, self._without = mask, field
            self._preparing.ask(mask, lambda: make_source(request.volume, mask, result))
        prepared = self._preparing.take()
        if prepared is not None and prepared.result is not None and prepared.result.volume is request.volume:
            self.source = prepared.result
        done = self._working.take()
        if done is not None and done.result is not None and done.key is self._wanted:
            self.counted = done.result
        try:
            self._count(result)
        except GmmsegError as error:
            return error
        return next((d.error for d in (prepared, done) if d is not None and d.error is not None), None)

    def end(self) -> None:
        """Take no more results."""
        self._preparing.end()
        self._working.end()

    def _begin_with(self, request: SegmentationRequest | None) -> None:
        self._request, self.source, self.counted, self._wanted = request, None, None, None
        self._made_of, self._without = _NOTHING, None
        if request is None or max(self.channels) >= request.volume.n_channels:
            self.channels = (0,)

    def _count(self, result: Segmentation | None) -> None:
        """Count what is wanted, unless it is what was counted."""
        source = self.source
        if source is None:
            return
        if result is not None and result.mask.shape != source.volume.grid_shape:
            result = None
        plane: Plane | None = None
        layer = region_layers(self._viewer).get(self.region)
        if self.region not in ("slice", "volume") and layer is None:
            self.region = "slice"
        shown = find_result_layer(self._viewer, source.volume, result)
        if self.region == "slice" and shown is not None:
            plane = shown.plane(self._viewer.dims)
        wanted = _Wanted(self.region, self.channels, plane, source, result)
        if wanted.same(self._wanted) or (layer is not None and shown is None):
            return
        self._wanted = wanted
        if plane is not None:
            histogram = count(source.seen, source.inside, source.axes, self.channels, plane=plane, result=result)
            self.counted = Counted(source, self.channels, histogram)
            return
        within = None if layer is None or shown is None else region_work(layer, shown, source.volume)
        self._working.ask(wanted, _counter(source, self.channels, result, within))


def _same_field(one: BiasField | None, other: BiasField | None) -> bool:
    return one is other or (one is not None and other is not None and one.told() == other.told())


def _counter(
    source: Source, channels: tuple[int, ...], result: Segmentation | None, within: Callable[[], Mask] | None
) -> Callable[[], Counted]:
    def work() -> Counted:
        inside = source.inside if within is None else source.inside & within()
        return Counted(source, channels, count(source.seen, inside, source.axes, channels, result=result))

    return work
