"""What this machine has, and what is in the way."""

from napari_gmmseg.cli.diagnosis.diagnosing import diagnose

__all__ = ["diagnose"]
