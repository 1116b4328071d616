"""What the classes of a result are called, and how sure that is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import Preset, numbered_classes
from napari_gmmseg.mixture.naming import contradicting_contrasts, match_classes, order_by_mean
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import ClassTable, Finding, Volume


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
    if preset.classes is not None and prepared.tissue_names and not _missing(volume, preset):
        entry = match_classes(means, volume.channels, preset.classes)
        if entry is not None:
            return preset.classes, entry
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
    if preset.classes is None or not prepared.tissue_names or len(preset.classes) != len(means):
        return ()
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
    entry = match_classes(means, volume.channels, preset.classes)
    if entry is None:
        names = ", ".join(name or "unknown" for name in volume.channels)
        known = ", ".join(sorted({name for tissue in preset.classes for name in tissue.ranks}))
        return (
            Finding(
                "unknown-contrast",
                f"How bright each tissue is in this contrast ({names}) is not known: classes are numbered by rising "
                "intensity.",
                f"Name the contrast (--contrast); known are: {known}.",
            ),
        )
    against = contradicting_contrasts(means, volume.channels, preset.classes, entry)
    if against:
        return (
            Finding(
                "contradicting-contrasts",
                f"In {', '.join(against)} the classes are not as bright, one against the other, as their names say.",
                "Look at the mask before you use the names: contrasts may be mixed up, or other tissue in the mask.",
            ),
        )
    return ()


def _missing(volume: Volume, preset: Preset) -> tuple[str, ...]:
    if not preset.needs_all_contrasts:
        return ()
    return tuple(name for name in preset.contrasts if name not in volume.channels)
