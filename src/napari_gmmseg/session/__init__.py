"""What the person is doing now: background jobs. Imports neither napari, Qt nor torch."""

from napari_gmmseg.session.jobs import Job, JobState, Progress
from napari_gmmseg.session.segmenting import SegmentationRequest, request_job, segmentation_job
from napari_gmmseg.session.warming import warm_up

__all__ = [
    "Job",
    "JobState",
    "Progress",
    "SegmentationRequest",
    "request_job",
    "segmentation_job",
    "warm_up",
]
