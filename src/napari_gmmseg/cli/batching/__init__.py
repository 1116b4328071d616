"""Many cases, one after another: what is done, what is told of it, and what need not be done again."""

from napari_gmmseg.cli.batching.owning import refuse_inputs, target_names, written_names
from napari_gmmseg.cli.batching.progress import BatchProgress
from napari_gmmseg.cli.batching.records import Record, Records
from napari_gmmseg.cli.batching.showing import show_batch

__all__ = ["BatchProgress", "Record", "Records", "refuse_inputs", "show_batch", "target_names", "written_names"]
