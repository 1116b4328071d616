"""What comes before a fit: which voxels are fitted, on which grid and scale."""

from napari_gmmseg.preparation.channels import stack_channels
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.preparation.preparing import (
    check_distinct_values,
    prepare,
    prepare_case,
    with_expected_contrasts,
)
from napari_gmmseg.preparation.resampling import resample_mask

__all__ = [
    "Prepared",
    "check_distinct_values",
    "prepare",
    "prepare_case",
    "resample_mask",
    "stack_channels",
    "with_expected_contrasts",
]
