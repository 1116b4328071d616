"""Paint labels over grey pictures, and write letters and legends."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_gmmseg.volumes import ClassTable, Colour

Picture = NDArray[np.uint8]
Rgb = tuple[int, int, int]

PAPER: Rgb = (22, 22, 26)
INK: Rgb = (236, 236, 240)
PALE: Rgb = (168, 168, 178)


def rgb(colour: Colour) -> Rgb:
    """Return a colour of 0 ... 1 as three bytes.

    Parameters
    ----------
    colour : (r, g, b)
        Each 0 ... 1.
    """
    red, green, blue = (round(255 * min(max(c, 0.0), 1.0)) for c in colour)
    return red, green, blue


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, so that pictures look alike on every machine.

    Parameters
    ----------
    size : int
        Height in pixels.
    """
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Return the width of a line in pixels.

    Parameters
    ----------
    text : str
        One line.
    size : int
        Height of the font in pixels.
    """
    left, _, right, _ = font(size).getbbox(text)
    return int(np.ceil(right - left))


def colours_of(classes: ClassTable) -> NDArray[np.float32]:
    """Return a table of colours by label value, (256, 3) float32 in 0 ... 255.

    Parameters
    ----------
    classes : ClassTable
        Names and colours; a value that it does not know is grey.
    """
    table = np.full((256, 3), 160.0, dtype=np.float32)
    for entry in classes:
        table[entry.value] = rgb(entry.colour)
    return table


def edges(labels: Picture, width: int = 1) -> NDArray[np.bool_]:
    """Return where a labelled pixel lies within `width` pixels of another label.

    Parameters
    ----------
    labels : ndarray (H, W) uint8
        Label values; 0 is background.
    width : int
        Thickness of the line in pixels.
    """
    near = np.zeros(labels.shape, dtype=bool)
    for step in range(1, width + 1):
        down, along = labels[step:] != labels[:-step], labels[:, step:] != labels[:, :-step]
        near[:-step] |= down
        near[step:] |= down
        near[:, :-step] |= along
        near[:, step:] |= along
    return near & (labels > 0)


def painted(
    image: NDArray[np.float32], labels: Picture, classes: ClassTable, *, opacity: float, contour: int
) -> Picture:
    """Return a grey picture with its labels over it.

    Parameters
    ----------
    image : ndarray (H, W) float32
        Grey level 0 ... 1.
    labels : ndarray (H, W) uint8
        Label values; 0 stays grey.
    classes : ClassTable
        Colours.
    opacity : float
        Of the fill, 0 ... 1.
    contour : int
        Thickness of the outline in pixels; 0 for none.

    Returns
    -------
    ndarray (H, W, 3) uint8
        The picture.
    """
    grey = np.repeat((255 * image)[..., np.newaxis], 3, axis=-1)
    colour = colours_of(classes)[labels]
    share = np.where(labels > 0, opacity, 0.0).astype(np.float32)
    if contour > 0:
        share[edges(labels, contour)] = 0.9
    mixed = grey + share[..., np.newaxis] * (colour - grey)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def framed(picture: Picture, height: int, width: int) -> Image.Image:
    """Return a picture centred in a black frame.

    Parameters
    ----------
    picture : ndarray (H, W, 3) uint8
        The picture, no larger than the frame.
    height, width : int
        Of the frame in pixels.
    """
    frame = Image.new("RGB", (width, height), (0, 0, 0))
    frame.paste(Image.fromarray(picture), ((width - picture.shape[1]) // 2, (height - picture.shape[0]) // 2))
    return frame


def write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, colour: Rgb = INK) -> None:
    """Write a line with a dark rim, readable on any grey.

    Parameters
    ----------
    draw : ImageDraw
        Of the picture to write on.
    at : (x, y)
        Upper left corner in pixels.
    text : str
        The line.
    size : int
        Height in pixels.
    colour : (r, g, b)
        Bytes.
    """
    draw.text(at, text, font=font(size), fill=colour, stroke_width=2, stroke_fill=(0, 0, 0))


def legend(entries: list[tuple[str, Rgb]], width: int, size: int) -> Image.Image:
    """Return a strip of colour patches with names, in as many lines as it takes.

    Parameters
    ----------
    entries : list of (str, (r, g, b))
        Name and colour of each class.
    width : int
        Of the strip in pixels.
    size : int
        Height of the font in pixels.
    """
    gap, patch, line = size, size, round(1.6 * size)
    places: list[tuple[int, int]] = []
    x = y = 0
    for name, _ in entries:
        needed = patch + gap // 2 + text_width(name, size)
        if x and x + needed > width:
            x, y = 0, y + line
        places.append((x, y))
        x += needed + 2 * gap
    strip = Image.new("RGB", (width, y + line if entries else 1), PAPER)
    draw = ImageDraw.Draw(strip)
    for (name, colour), (left, top) in zip(entries, places, strict=True):
        draw.rounded_rectangle((left, top + 2, left + patch, top + 2 + patch), radius=3, fill=colour)
        draw.text((left + patch + gap // 2, top), name, font=font(size), fill=INK)
    return strip


def wrapped(text: str, width: int, size: int) -> list[str]:
    """Break a text into lines that fit a width.

    Parameters
    ----------
    text : str
        The text.
    width : int
        In pixels.
    size : int
        Height of the font in pixels.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
