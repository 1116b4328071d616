"""What the person is doing now: background jobs. Imports neither napari, Qt nor torch."""

from napari_gmmseg.session.devices import device_in_words, multiplies_bfloat16_fast
from napari_gmmseg.session.jobs import Job, Steps
from napari_gmmseg.session.progress import FinishReason, JobState, Progress
from napari_gmmseg.session.recording import Recorder
from napari_gmmseg.session.segmenting import SegmentationRequest, segment_in_steps, segmentation_job, stack
from napari_gmmseg.session.situation import Given, Kept, Situation
from napari_gmmseg.session.state import Session
from napari_gmmseg.session.warming import warm_up

__all__ = [
    "FinishReason",
    "Given",
    "Job",
    "JobState",
    "Kept",
    "Progress",
    "Recorder",
    "SegmentationRequest",
    "Session",
    "Situation",
    "Steps",
    "device_in_words",
    "multiplies_bfloat16_fast",
    "segment_in_steps",
    "segmentation_job",
    "stack",
    "warm_up",
]
