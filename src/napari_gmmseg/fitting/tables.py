"""Fit a mixture to a table of intensities: what stands for an image that is larger than memory."""

from __future__ import annotations

from dataclasses import replace

from napari_gmmseg.config import FitConfig, Preset
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.segmenting import Fit, fit
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import Volume

#: Methods for which a voxel's label depends on its intensity alone.
BY_INTENSITY = ("gmm", "svgmm")


def check_by_intensity(config: FitConfig) -> None:
    """Refuse settings that look at more than intensities, before an image is read for them.

    Parameters
    ----------
    config : FitConfig
        How to fit.

    Raises
    ------
    SettingsError
        Where the method looks at neighbours, or a bias field is to be taken out.
    """
    if config.method not in BY_INTENSITY:
        raise SettingsError(
            f"The method {config.method} looks at neighbours, too, and a table of intensities has none.",
            "Use --method gmm.",
        )
    if config.bias_field == "on":
        raise SettingsError(
            "A bias field cannot be taken out of an image that is read slab by slab.", "Use --bias-field off or auto."
        )


def fit_table(volume: Volume, prepared: Prepared, config: FitConfig, preset: Preset) -> Fit:
    """Fit a mixture to a table of intensities, as `fit` does to an image.

    Without bias correction, which needs to know where voxels lie, and on the processor.

    Parameters
    ----------
    volume : Volume
        (1, 1, 1, V): one voxel for each intensity.
    prepared : Prepared
        With how often each occurs.
    config : FitConfig
        How to fit.
    preset : Preset
        What the classes mean.

    Raises
    ------
    SettingsError
        Where the method looks at more than intensities, a bias field is to be taken out, or a class is to begin with
        what is brighter than tissue.
    """
    check_by_intensity(config)
    named = preset.classes_in(volume.channels, config.n_classes) if prepared.tissue_names else None
    if any(tissue.bright_in for tissue in named or ()) and not config.initial_means:
        # What is bright is a share of the voxels, and each intensity of a table stands for many.
        raise SettingsError(
            f"The preset {preset.name} looks for voxels that are brighter than tissue, and a table of intensities has "
            "none.",
            "Use --preset custom, which numbers classes by intensity.",
        )
    return fit(volume, prepared, replace(config, bias_field="off", device="cpu"), preset)
