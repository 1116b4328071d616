"""Run the command line with `python -m napari_gmmseg.cli`."""

from napari_gmmseg.cli import console

console()
