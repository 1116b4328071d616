"""Have napari ready for a first Labels layer, which otherwise holds the window up for a second."""

from __future__ import annotations

import numpy as np


def warm_labels() -> None:
    """Make a small Labels layer that is shown nowhere; for any thread.

    The first one in a program compiles or loads napari's colour mapping, and imports what draws its outlines.
    """
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    colours = {None: (0.0, 0.0, 0.0, 0.0), 0: (0.0, 0.0, 0.0, 0.0), 1: (1.0, 0.0, 0.0, 1.0)}
    layer = Labels(np.ones((2, 2, 2), dtype=np.uint8), colormap=DirectLabelColormap(color_dict=colours))
    layer.colormap.map(np.ones((2, 2), dtype=np.uint8))
    _warm_outlines()


def _warm_outlines() -> None:
    """Make what a Labels layer's brush and polygon are drawn with; nothing is drawn yet, so any thread may."""
    from vispy.scene.visuals import Compound, Ellipse, Line, Markers, Polygon

    square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    Compound([Polygon(pos=square, border_method="agg"), Markers(pos=square), Line(pos=square, method="agg")])
    Ellipse(center=(0.0, 0.0), radius=1.0, border_method="agg")
