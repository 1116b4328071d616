"""The reliability diagram: how often answers of each confidence are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from napari_gmmseg.figures import drawing
from napari_gmmseg.figures.drawing import Picture, Rgb

#: Low and high end of a bin, mean confidence, share that is right (None where empty), and number of voxels.
Bin = tuple[float, float, float, float | None, int]

_BAR: Rgb = (86, 180, 233)
_GAP: Rgb = (230, 159, 0)
_LINE: Rgb = (150, 150, 160)


def reliability_picture(bins: Sequence[Bin], title: str, *, size: int = 240) -> Picture:
    """Draw the share of right voxels of each confidence as bars, and what lacks or exceeds as a second colour.

    Parameters
    ----------
    bins : sequence of (low, high, confidence, accuracy, n_voxels)
        Rising; an empty bin has the accuracy None.
    title : str
        One line above.
    size : int
        Width and height of the square diagram in pixels.

    Returns
    -------
    ndarray (H, W, 3) uint8
        The picture.
    """
    letters = max(9, size // 20)
    left, top = 3 * letters, 2 * letters
    picture = Image.new("RGB", (left + size + letters, top + size + 3 * letters), drawing.PAPER)
    draw = ImageDraw.Draw(picture)

    def at(x: float, y: float) -> tuple[int, int]:
        return left + round(x * size), top + size - round(y * size)

    for low, high, confidence, accuracy, n_voxels in bins:
        if accuracy is None or not n_voxels:
            continue
        (x0, _), (x1, y1) = at(low, 0), at(high, accuracy)
        draw.rectangle((x0 + 1, y1, x1 - 1, top + size), fill=_BAR)
        ends = sorted((y1, at(0, confidence)[1]))
        draw.rectangle((x0 + 1 + (x1 - x0) // 3, ends[0], x1 - 1 - (x1 - x0) // 3, ends[1]), fill=_GAP)
    draw.line((*at(0, 0), *at(1, 1)), fill=_LINE, width=1)
    draw.rectangle((*at(0, 1), *at(1, 0)), outline=_LINE)
    for tick in (0.0, 0.5, 1.0):
        label = f"{tick:g}"
        x, y = at(tick, tick)
        drawing.write(draw, (x - drawing.text_width(label, letters) // 2, top + size + 2), label, letters)
        drawing.write(draw, (left - drawing.text_width(label, letters) - 4, y - letters // 2), label, letters)
    drawing.write(draw, (left, letters // 3), title, letters)
    drawing.write(draw, (left, top + size + letters + 6), "confidence (bars: share right)", letters, drawing.PALE)
    return np.asarray(picture)
