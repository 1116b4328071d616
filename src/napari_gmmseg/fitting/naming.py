"""What the classes of a result are called, and how sure that is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import Preset, numbered_classes
from napari_gmmseg.mixture.naming import contradicting_contrasts, dim_classes, match_classes, order_by_mean
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import ClassTable, Finding, Volume

_CONTRAST = {"flair": "FLAIR", "t1gd": "T1Gd"}


def name_classes(
    means: NDArray[np.float64], volume: Volume, prepared: Prepared, preset: Preset
) -> tuple[ClassTable, NDArray[np.int64]]:
    """Return the class table of a result, and for each fitted class its entry there.

    Tissue names are given where the preset has as many classes as were fitted, the contrasts it needs are known, and
    the mask holds no scalp and skull; else classes are numbered by rising mean of the first channel.

    Parameters
    ----------
    means : ndarray (K, C) float64
        Mean of each class, in the image's own unit.
    volume : Volume
        For its contrasts.
    prepared : Prepared
        For whether tissue names may be given.
    preset : Preset
        What the classes mean.
    """
    table = preset.classes_in(volume.channels, len(means))
    if table is not None and prepared.tissue_names and not _missing(volume, preset):
        entry = match_classes(means, volume.channels, table)
        if entry is not None:
            return table, entry
    return numbered_classes(len(means)), order_by_mean(means)


def naming_doubts(
    means: NDArray[np.float64], volume: Volume, prepared: Prepared, preset: Preset
) -> tuple[Finding, ...]:
    """Return why classes are numbered instead of named, or in which contrasts their order contradicts their names.

    Parameters
    ----------
    means : ndarray (K, C) float64
        Mean of each class, in the image's own unit.
    volume : Volume
        For its contrasts.
    prepared : Prepared
        For whether tissue names may be given.
    preset : Preset
        What the classes mean.
    """
    table = preset.classes_in(volume.channels, len(means))
    if table is None or not prepared.tissue_names:
        return _missing_bright(volume, preset) if prepared.tissue_names else ()
    missing = _missing(volume, preset)
    if missing:
        return (
            Finding(
                "missing-contrasts",
                f"The preset {preset.name!r} names its classes from {', '.join(preset.contrasts)} together; "
                f"{', '.join(missing)} is not there: classes are numbered by rising intensity.",
                "Add the missing sequences, or read the classes as intensities only.",
            ),
        )
    entry = match_classes(means, volume.channels, table)
    if entry is None:
        names = ", ".join(name or "unknown" for name in volume.channels)
        known = ", ".join(sorted({name for tissue in table for name in tissue.ranks}))
        return (
            Finding(
                "unknown-contrast",
                f"How bright each tissue is in this contrast ({names}) is not known: classes are numbered by rising "
                "intensity.",
                f"Name the contrast (--contrast); known are: {known}.",
            ),
        )
    if any(tissue.bright_in for tissue in table):
        return (*_missing_bright(volume, preset), *_of_unnamed(means, volume, table, entry))
    # With fewer classes than could be told apart, those without a name were left out on purpose.
    gone = _missing_bright(volume, preset) if table == preset.classes_in(volume.channels) else ()
    against = contradicting_contrasts(means, volume.channels, table, entry)
    if against:
        return (
            *gone,
            Finding(
                "contradicting-contrasts",
                f"In {', '.join(against)} the classes are not as bright, one against the other, as their names say.",
                "Look at the mask before you use the names: contrasts may be mixed up, or other tissue in the mask.",
            ),
        )
    return gone


def _missing(volume: Volume, preset: Preset) -> tuple[str, ...]:
    if not preset.needs_all_contrasts:
        return ()
    return tuple(name for name in preset.contrasts if name not in volume.channels)


def _missing_bright(volume: Volume, preset: Preset) -> tuple[Finding, ...]:
    """Return what is missing of the contrasts by which unnamed classes are known."""
    unnamed = [tissue for tissue in preset.classes or () if tissue.bright_in]
    gone = [tissue for tissue in unnamed if tissue.bright_in not in volume.channels]
    found = [
        Finding(
            "missing-contrasts",
            f"{_CONTRAST[tissue.bright_in]} is not there: what is bright on it has no class of its own.",
            "Add that sequence where there is one.",
        )
        for tissue in gone
    ]
    enhanced = any(tissue.bright_in == "t1gd" for tissue in unnamed) and "t1gd" in volume.channels
    if enhanced and "t1" not in volume.channels:
        found.append(
            Finding(
                "missing-contrasts",
                "T1 is not there: what is bright on T1Gd may be bright without gadolinium, too, such as blood or fat.",
                "Add the T1 where there is one.",
            )
        )
    return tuple(found)


def _of_unnamed(
    means: NDArray[np.float64], volume: Volume, table: ClassTable, entry: NDArray[np.int64]
) -> tuple[Finding, ...]:
    """Return what holds of classes that are known by their brightness alone."""
    names = " and ".join(tissue.name for tissue in table if tissue.bright_in)
    found = [
        Finding(
            "unnamed-classes",
            f"In {names} is whatever is bright: oedema, tumour, an old lesion, vessels, or the rim of the mask.",
            "Look at them; name a class and paint a stroke in it, or predict with a trained model, for tumour names.",
            "note",
        )
    ]
    dim = dim_classes(means, volume.channels, table, entry)
    found += [
        Finding(
            "not-bright",
            f"{tissue.name} is no brighter there than every tissue: there may be nothing abnormal that is.",
            "Ask for fewer classes, or check that the sequences are not mixed up.",
        )
        for tissue in dim
    ]
    return tuple(found)
