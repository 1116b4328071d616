"""Learning from labels, patient by patient, and predicting with what was learnt."""

from napari_gmmseg.fitting.supervised.predicting import predict
from napari_gmmseg.fitting.supervised.training import train

__all__ = ["predict", "train"]
