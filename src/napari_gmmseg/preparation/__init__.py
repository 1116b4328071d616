"""What comes before a fit: which voxels are fitted, and on which scale."""

from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.preparation.preparing import check_distinct_values, prepare

__all__ = ["Prepared", "check_distinct_values", "prepare"]
