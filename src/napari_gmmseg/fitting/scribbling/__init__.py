"""Answers to strokes: at once from the strokes' own mixture."""

from napari_gmmseg.fitting.scribbling.answering import fit_scribbles
from napari_gmmseg.fitting.scribbling.at_once import Answer, AtOnce
from napari_gmmseg.fitting.scribbling.network_say import NetworkSay

__all__ = ["Answer", "AtOnce", "NetworkSay", "fit_scribbles"]
