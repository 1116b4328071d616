"""Preparation of an image that is larger than memory: its mask slab by slab, and a table of the intensities in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import PreparationConfig, Preset
from napari_gmmseg.errors import InputError, MaskError, SettingsError
from napari_gmmseg.preparation.base_mask import BaseMask, base_mask
from napari_gmmseg.preparation.coarse_mask import CoarseMask, coarse_volume, sampling_step
from napari_gmmseg.preparation.intensities import Encoding, foreground_threshold, in_own_unit
from napari_gmmseg.preparation.masks import check_box, disc_mask
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.preparation.preparing import check_distinct_values, check_mode, with_expected_contrasts
from napari_gmmseg.volumes import AtlasPrior, Finding, FitReport, Geometry, Slabs, Volume

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Inside:
    """Which voxels of a slab are in the mask.

    Parameters
    ----------
    allowed : ndarray (size,) bool
        By entry of the table: finite, and not background.
    finite : ndarray (size,) bool
        By entry: finite.
    near, deep : CoarseMask or None
        Where voxels that are allowed are in the mask, and where all that are finite are; None: everywhere, nowhere.
    given : Slabs or None
        A mask that was handed over: what is zero in it is outside.
    halved : bool
        Whether that mask is a map of fractions: what is below a half in it is outside.
    cuts : tuple of ndarray (*source.shape[::-1]) bool
        Box and disc, as views that take no memory.
    """

    allowed: BoolArray
    finite: BoolArray
    near: CoarseMask | None = None
    deep: CoarseMask | None = None
    given: Slabs | None = None
    halved: bool = False
    cuts: tuple[BoolArray, ...] = ()

    @property
    def by_entry(self) -> bool:
        """Whether the entry alone decides."""
        return self.near is None and self.given is None and not self.cuts

    def of_slab(self, layers: slice, entries: NDArray[Any], given: NDArray[Any] | None) -> BoolArray:
        """Return the mask (n, *source.shape[1::-1]) of a slab.

        Parameters
        ----------
        layers : slice
            Along the source's last axis.
        entries : ndarray (n, *source.shape[1::-1]) integer
            Entries of its voxels in the table.
        given : ndarray (n, *source.shape[1::-1]) or None
            Stored numbers of the same layers of the mask that was handed over.
        """
        inside: BoolArray = self.allowed[entries]
        if self.near is not None:
            inside &= self.near.layers(layers)
        if self.deep is not None:
            inside |= self.deep.layers(layers) & self.finite[entries]
        if given is not None:
            assert self.given is not None
            values = in_own_unit(given, self.given.slope, self.given.inter)
            inside &= np.isfinite(values) & (values >= 0.5 if self.halved else values != 0)
        for cut in self.cuts:
            inside &= cut[layers]
        return inside


@dataclass(frozen=True)
class PreparedSlabs:
    """What a mixture is fitted to instead of the image, and the way back.

    Parameters
    ----------
    volume : Volume
        (1, 1, 1, V): one voxel for each intensity that the mask holds, rising.
    prepared : Prepared
        Its mask, which is all of it, with how often each intensity occurs.
    encoding : Encoding
        Takes stored numbers to entries.
    entries : ndarray (V,) integer
        The entry of each of the intensities.
    inside : Inside
        The mask of the image.
    step : int
        Of so many voxels along each axis one decided about the mask's shape.
    """

    volume: Volume
    prepared: Prepared
    encoding: Encoding
    entries: NDArray[np.integer[Any]]
    inside: Inside
    step: int

    @property
    def occurrences(self) -> NDArray[np.float64]:
        """How many voxels of the mask have each intensity, (V,) float64."""
        assert self.prepared.counts is not None
        return self.prepared.counts.reshape(-1)

    def labelled(self, slabs: Slabs, labels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        """Yield the labels of the image, slab by slab, (n, *source.shape[1::-1]).

        Parameters
        ----------
        slabs : Slabs
            The image.
        labels : ndarray (V,) uint8
            Of each of the intensities.
        """
        table = np.zeros(self.encoding.size, dtype=np.uint8)
        table[self.entries] = labels
        for layers, stored, given in _with_mask(slabs, self.inside.given):
            entries = self.encoding.entries(stored)
            found: NDArray[np.uint8] = table[entries]
            if not self.inside.by_entry:
                found *= self.inside.of_slab(layers, entries, given)
            yield found


def prepare_slabs(
    slabs: Slabs,
    config: PreparationConfig,
    preset: Preset,
    n_classes: int,
    *,
    mask: Slabs | None = None,
    atlas: Callable[[], AtlasPrior] | None = None,
) -> Generator[FitReport, None, PreparedSlabs]:
    """Choose the voxels to fit, and count the intensities in them.

    The mask is that of `prepare`, with this difference: whether there is a constant background, and which parts of the
    foreground hang together or are holes, is decided on every n-th voxel along each axis, so that at most
    `coarse_mask.MOST_VOXELS` are in memory; within one such step of the border each voxel's own intensity decides, and
    a proposed brain keeps the border that the coarse image shows.

    Parameters
    ----------
    slabs : Slabs
        The image, in its own intensity unit.
    config : PreparationConfig
        Mask mode, box and disc.
    preset : Preset
        What kind of image it is.
    n_classes : int
        Number of classes K.
    mask : Slabs or None
        Non-zero voxels are fitted, of a map of fractions between 0 and 1 those of 0.5 or more; on the image's grid.
    atlas : callable or None
        Returns an average brain; None looks for none.

    Yields
    ------
    FitReport
        After each slab.

    Returns
    -------
    PreparedSlabs
        Table of intensities, and the mask.

    Raises
    ------
    GmmsegError
        Where no voxels are left, or settings contradict each other.
    SettingsError
        Where a brain is to be cut out, which needs the whole image.
    """
    check_mode(config, mask, preset, None)
    if config.mask == "deepbet":
        raise SettingsError(
            "deepbet needs the whole image in memory, and this one is read slab by slab.",
            "Leave the mask automatic (--mask auto), or give a mask (--mask FILE).",
        )
    step = sampling_step(slabs.geometry.shape)
    told = _Told(slabs.n_slabs)
    yield told("Looking at the whole image", 0)
    coarse = with_expected_contrasts(coarse_volume(slabs, step), preset)
    placed = config.box is not None or config.disc is not None
    if mask is None:
        finite = np.isfinite(coarse.data[0])
        base = base_mask(coarse, config, None, preset, finite, placed=placed, atlas=atlas, engine=None)
    else:
        base = BaseMask(np.ones((1, 1, 1), dtype=bool), True, kind="given")
    low, high = (0.0, 0.0) if _tells_all(slabs) else (yield from _range(slabs, told))
    # As it was read from the sampled voxels, by the arithmetic that each voxel is read by.
    background = base.background[0] if base.background else float(np.float32(slabs.inter))
    encoding = Encoding(slabs.dtype, slabs.slope, slabs.inter, low, high, background)
    counts = yield from _counted(slabs, encoding, told)
    inside = _inside(slabs, config, base, encoding, counts, step)
    if mask is not None:
        halved = yield from _holds_fractions(mask, told)
        inside = replace(inside, given=mask, halved=halved)
    if inside.by_entry:
        kept = counts * inside.allowed
    else:
        kept = yield from _counted(slabs, encoding, told, inside)
    return _table(coarse, base, encoding, inside, counts, kept, step, n_classes)


class _Told:
    """Makes reports of how many slabs are done."""

    def __init__(self, n_slabs: int) -> None:
        self._began, self._n_slabs = time.perf_counter(), n_slabs

    def __call__(self, phase: str, number: int) -> FitReport:
        return FitReport(phase, number, self._n_slabs, seconds=time.perf_counter() - self._began)


def _tells_all(slabs: Slabs) -> bool:
    return Encoding(slabs.dtype, slabs.slope, slabs.inter).exact


def _range(slabs: Slabs, told: _Told) -> Generator[FitReport, None, tuple[float, float]]:
    """Return the finite range of stored numbers."""
    low, high = np.inf, -np.inf
    for number, (_, stored) in enumerate(slabs.read(), start=1):
        finite = stored[np.isfinite(stored)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        yield told("Finding the range of intensities", number)
    if low > high:
        raise InputError("The image holds no number: every voxel is NaN or infinite.", "Export it again.")
    return low, high


def _holds_fractions(mask: Slabs, told: _Told) -> Generator[FitReport, None, bool]:
    """Tell whether all values of a mask lie between 0 and 1, and some are fractions, as `io.read_mask` asks it."""
    if mask.dtype.kind in "bui" and float(mask.slope).is_integer() and float(mask.inter).is_integer():
        return False
    found = False
    for number, (_, stored) in enumerate(mask.read(), start=1):
        values = in_own_unit(stored, mask.slope, mask.inter)
        values = np.where(np.isfinite(values), values, np.float32(0))
        if values.min() < 0 or values.max() > 1:
            return False
        found = found or bool((values != np.round(values)).any())
        yield told("Looking at the mask", number)
    return found


def _counted(
    slabs: Slabs, encoding: Encoding, told: _Told, inside: Inside | None = None
) -> Generator[FitReport, None, NDArray[np.float64]]:
    """Count the entries (size,) of an image, or of a mask in it."""
    counts = np.zeros(encoding.size)
    phase = "Counting intensities" if inside is None else "Counting intensities in the mask"
    passes = _with_mask(slabs, None if inside is None else inside.given)
    for number, (layers, stored, given) in enumerate(passes, start=1):
        entries = encoding.entries(stored)
        if inside is not None:
            entries = entries[inside.of_slab(layers, entries, given)]
        counts += np.bincount(entries.reshape(-1), minlength=encoding.size)
        yield told(phase, number)
    return counts


def _with_mask(slabs: Slabs, given: Slabs | None) -> Iterator[tuple[slice, NDArray[Any], NDArray[Any] | None]]:
    if given is None:
        yield from ((layers, stored, None) for layers, stored in slabs.read())
        return
    for (layers, stored), (_, mask) in zip(slabs.read(), given.read(), strict=True):
        yield layers, stored, mask


def _inside(
    slabs: Slabs,
    config: PreparationConfig,
    base: BaseMask,
    encoding: Encoding,
    counts: NDArray[np.float64],
    step: int,
) -> Inside:
    """Return how to tell the mask of a slab, but for one that was handed over."""
    intensities = encoding.intensities()
    finite = np.isfinite(intensities)
    allowed, near, deep = finite, None, None
    if base.kind == "object":
        allowed = finite & ~encoding.background()
    elif base.kind == "foreground":
        allowed = finite & (intensities > foreground_threshold(intensities, counts))
        near = CoarseMask.of(base.mask, slabs, step, grown=1)
        deep = CoarseMask.of(base.mask, slabs, step, grown=-1)
    elif base.kind == "brain":
        near = CoarseMask.of(base.mask, slabs, step)
    return Inside(allowed, finite, near, deep, cuts=_cuts(slabs, config))


def _cuts(slabs: Slabs, config: PreparationConfig) -> tuple[BoolArray, ...]:
    """Return box and disc in the source's order."""
    shape, cuts = slabs.geometry.shape, []
    if config.box is not None:
        check_box(config.box, shape)
        for axis, (start, stop) in enumerate(zip(config.box.start, config.box.stop, strict=True)):
            along = np.zeros(shape[axis], dtype=bool)
            along[start:stop] = True
            cuts.append(along.reshape([-1 if a == axis else 1 for a in range(3)]))
    if config.disc is not None:
        cuts.append(disc_mask(config.disc, (1, *shape[1:])))
    return tuple(slabs.source.to_source(np.broadcast_to(cut, shape)).T for cut in cuts)


def _table(
    coarse: Volume,
    base: BaseMask,
    encoding: Encoding,
    inside: Inside,
    counts: NDArray[np.float64],
    kept: NDArray[np.float64],
    step: int,
    n_classes: int,
) -> PreparedSlabs:
    """Return the intensities of the mask as a volume."""
    n = int(kept.sum())
    if n < 2:
        raise MaskError(
            f"{'No voxel is' if n == 0 else 'Only one voxel is'} left to fit inside mask and image.",
            "Check that mask, box, disc and image overlap, and that the image is finite there.",
        )
    intensities = encoding.intensities()
    entries = np.flatnonzero(kept)
    entries = entries[np.argsort(intensities[entries], kind="stable")]
    values, occurrences = intensities[entries], kept[entries]
    if len(entries) < 2:
        raise InputError(
            f"The image is constant inside the mask: every voxel is {values[0]:g}.",
            "Leave this file out, or check that image and mask belong together.",
        )
    centre = float(np.average(values, weights=occurrences))
    scale = float(np.sqrt(np.average((values - centre) ** 2, weights=occurrences)))
    lost = int(counts[~inside.finite].sum())
    findings = base.findings
    if lost:
        findings = (
            *findings,
            Finding("non-finite-voxels", f"{lost} voxels are NaN or infinite.", "They are left out."),
        )
    shape = (1, 1, len(entries))
    volume = Volume(
        values.astype(np.float32).reshape(1, *shape),
        Geometry.from_spacing(shape, (1.0, 1.0, 1.0), unit="pixel"),
        channels=coarse.channels,
        findings=coarse.findings,
    )
    prepared = Prepared(
        mask=np.ones(shape, dtype=bool),
        tissue_names=base.tissue_names,
        crop=tuple(slice(0, size) for size in shape),
        centre=(centre,),
        scale=(scale,),
        findings=findings,
        brain_confidence=base.brain_confidence,
        counts=occurrences.reshape(shape),
    )
    check_distinct_values(volume, prepared, n_classes)
    return PreparedSlabs(volume, prepared, encoding, entries, inside, step)
