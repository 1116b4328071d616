"""Settings as frozen pydantic dataclasses, and presets."""

from napari_gmmseg.config.fit import FitConfig, recorded_config
from napari_gmmseg.config.preparation import Box, Disc, PreparationConfig
from napari_gmmseg.config.presets import PRESETS, Preset, find_preset, new_class, numbered_classes

__all__ = [
    "PRESETS",
    "Box",
    "Disc",
    "FitConfig",
    "PreparationConfig",
    "Preset",
    "find_preset",
    "new_class",
    "numbered_classes",
    "recorded_config",
]
