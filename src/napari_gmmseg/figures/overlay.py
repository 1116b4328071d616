"""A montage of slices with their labels, a legend and a caption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.figures import drawing
from napari_gmmseg.figures.drawing import Picture
from napari_gmmseg.figures.views import (
    AXES,
    Convention,
    Plane,
    View,
    bounding_box,
    cut,
    grey_window,
    readable_planes,
    spread_slices,
)
from napari_gmmseg.volumes import LabelMap, Volume

_GAP = 6
_MARGIN = 18
_CAPTIONS = {
    "radiological": "Radiological view: the patient's right is on the left of the picture.",
    "neurological": "Neurological view: the patient's left is on the left of the picture.",
}


def overlay_picture(
    volume: Volume,
    label_map: LabelMap,
    *,
    channel: int = 0,
    frame: int = 0,
    planes: Sequence[Plane] | None = None,
    n_slices: int = 4,
    convention: Convention = "radiological",
    opacity: float = 0.45,
    contour: int = 1,
    with_image: bool | None = None,
    cell: int = 260,
    margin: float = 8.0,
    title: str = "",
    caption: str = "",
) -> Picture:
    """Return a picture of labels on their image: slices in several planes, a legend and a caption.

    Parameters
    ----------
    volume : Volume
        The image.
    label_map : LabelMap
        Labels on the same grid.
    channel, frame : int
        Which channel, and which time frame, is shown.
    planes : sequence of "axial", "coronal", "sagittal", or None
        One row each; None for all three, or for the one that thick slices leave readable.
    n_slices : int
        Slices a plane, spread over the extent of the labels.
    convention : "radiological" or "neurological"
        Whether the patient's right is on the left, or on the right, of the picture; the caption says which.
    opacity : float
        Of the fill, 0 ... 1.
    contour : int
        Thickness of outlines in pixels; 0 for none.
    with_image : bool or None
        Whether each row is preceded by the same slices without labels; None: where there is one plane only.
    cell : int
        Longest edge of a slice in screen pixels.
    margin : float
        What is shown around the labels, in mm (or pixels).
    title, caption : str
        Lines above and below.

    Returns
    -------
    ndarray (H, W, 3) uint8
        The picture.

    Raises
    ------
    GeometryError
        Where labels and image have different grids.
    SettingsError
        Where there is no such channel or frame, or a number makes no picture.
    """
    image, labels = _chosen(volume, label_map, channel, frame)
    if n_slices < 1 or cell < 32 or not 0 <= opacity <= 1 or contour < 0 or margin < 0:
        raise SettingsError(
            f"No picture can be made of {n_slices} slices in cells of {cell} pixels, with opacity {opacity:g}, "
            f"outlines of {contour} pixels and a margin of {margin:g}.",
            "Give at least 1 slice and 32 pixels, an opacity from 0 to 1, and nothing below 0.",
        )
    chosen = tuple(planes) if planes else readable_planes(volume.geometry)
    plain = len(chosen) == 1 if with_image is None else with_image
    box = bounding_box(labels, volume.geometry, margin)
    spacing = volume.geometry.spacing
    extents = [(b.stop - b.start) * step for b, step in zip(box, spacing, strict=True)]
    longest = max(extents[a] for plane in chosen for a in range(3) if a != AXES[plane])
    window = grey_window(image, labels)
    rows = [
        [
            cut(
                image,
                labels,
                volume.geometry,
                plane=plane,
                index=index,
                box=box,
                pixels_per_unit=cell / longest,
                window=window,
                convention=convention,
            )
            for index in spread_slices(labels, AXES[plane], n_slices)
        ]
        for plane in chosen
    ]
    drawn = [
        strip
        for row in rows
        for strip in ([_row(row, label_map, 0.0, 0)] if plain else []) + [_row(row, label_map, opacity, contour)]
    ]
    sides = volume.geometry.unit == "mm" and volume.geometry.verified and set(chosen) != {"sagittal"}
    known = _CAPTIONS[convention] if sides else ""
    return _composed(drawn, label_map, title, f"{caption} {known}".strip())


def _chosen(
    volume: Volume, label_map: LabelMap, channel: int, frame: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], Picture]:
    """Return one channel and its labels, (Z, Y, X) each."""
    if not volume.geometry.same_grid(label_map.geometry):
        raise GeometryError(
            f"The image has {volume.geometry.describe()}, the labels {label_map.geometry.describe()}.",
            "Show labels on the image that they were made from.",
        )
    n_frames = volume.n_frames
    if not (0 <= channel < volume.n_channels and 0 <= frame < n_frames):
        raise SettingsError(
            f"There is no channel {channel}, frame {frame} in {volume.n_channels} channels of {n_frames} frames.",
            "Both are counted from 0.",
        )
    image, labels = volume.data[channel], label_map.labels
    if image.ndim == 4:
        image = image[frame]
    if labels.ndim == 4:
        labels = labels[min(frame, labels.shape[0] - 1)]
    return image, labels


def _row(views: list[View], label_map: LabelMap, opacity: float, contour: int) -> Image.Image:
    """Draw slices of one plane side by side, with the letters of their edges."""
    height = max(view.image.shape[0] for view in views)
    width = max(32, *(view.image.shape[1] for view in views))
    strip = Image.new("RGB", (len(views) * (width + _GAP) - _GAP, height), drawing.PAPER)
    size = max(round(width / 18), 11)
    for k, view in enumerate(views):
        colours = drawing.painted(view.image, view.labels, label_map.classes, opacity=opacity, contour=contour)
        tile = drawing.framed(colours, height, width)
        draw = ImageDraw.Draw(tile)
        middle = height // 2 - size // 2
        drawing.write(draw, (4, middle), view.left, size)
        drawing.write(draw, (width - 4 - drawing.text_width(view.right, size), middle), view.right, size)
        drawing.write(draw, (4, 2), view.place, size, drawing.PALE)
        strip.paste(tile, (k * (width + _GAP), 0))
    return strip


def _composed(rows: list[Image.Image], label_map: LabelMap, title: str, caption: str) -> Picture:
    """Put title, rows, legend and caption on one sheet."""
    present = {v for v, n in label_map.counts().items() if n}
    entries = [
        (f"{c.name} ({c.abbreviation})" if c.abbreviation not in ("", c.name) else c.name, drawing.rgb(c.colour))
        for c in label_map.classes
        if c.value in present
    ]
    width = max([row.width for row in rows] + [360])
    size = min(max(width // 56, 14), 22)
    blocks: list[Image.Image] = [*([_lines([title], width, round(1.3 * size), drawing.INK)] if title else []), *rows]
    blocks.append(drawing.legend(entries, width, size))
    if caption:
        blocks.append(_lines(drawing.wrapped(caption, width, size - 2), width, size - 2, drawing.PALE))
    height = sum(block.height for block in blocks) + _GAP * (len(blocks) - 1)
    sheet = Image.new("RGB", (width + 2 * _MARGIN, height + 2 * _MARGIN + _GAP), drawing.PAPER)
    top = _MARGIN
    for block in blocks:
        sheet.paste(block, (_MARGIN + (width - block.width) // 2, top))
        top += block.height + _GAP
    return np.array(sheet, dtype=np.uint8)


def _lines(lines: list[str], width: int, size: int, colour: drawing.Rgb) -> Image.Image:
    step = round(1.45 * size)
    block = Image.new("RGB", (width, step * len(lines)), drawing.PAPER)
    draw = ImageDraw.Draw(block)
    for k, line in enumerate(lines):
        draw.text((0, k * step), line, font=drawing.font(size), fill=colour)
    return block
