"""Sphinx: the pages of docs/ as they are, no network."""

from napari_gmmseg import __version__

project = "napari-gmmseg"
author = "napari-gmmseg developers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# Links into the checkout (README, changelog) work on the forge and are plain text here.
suppress_warnings = ["myst.xref_missing"]
exclude_patterns = ["pictures"]
html_theme = "furo"
html_title = project
