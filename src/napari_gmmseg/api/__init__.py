"""Read, segment, evaluate, write: what the command line does, from Python."""

from napari_gmmseg.api.cleaning import remove_islands
from napari_gmmseg.api.evaluating import evaluate
from napari_gmmseg.api.finetuning import finetune
from napari_gmmseg.api.following import follow
from napari_gmmseg.api.listing import ListedResult, predict_cases
from napari_gmmseg.api.options import PathLike
from napari_gmmseg.api.reading import read
from napari_gmmseg.api.segmenting import finished, open_case, segment
from napari_gmmseg.api.streaming import must_stream, segment_to_file
from napari_gmmseg.api.training import predict, train
from napari_gmmseg.api.writing import check_writable, write

__all__ = [
    "ListedResult",
    "PathLike",
    "check_writable",
    "evaluate",
    "finetune",
    "finished",
    "follow",
    "must_stream",
    "open_case",
    "predict",
    "predict_cases",
    "read",
    "remove_islands",
    "segment",
    "segment_to_file",
    "train",
    "write",
]
