"""Colours of a plot that go with napari's theme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Red, green and blue, each 0 ... 255.
Shade = tuple[int, int, int]


@dataclass(frozen=True)
class PlotColours:
    """What a plot is drawn in; classes bring their own.

    Parameters
    ----------
    background, text, faint : (r, g, b)
        Behind it, of axes and lines, and of what stands back; each 0 ... 255.
    dark : bool
        Whether the background is dark.
    """

    background: Shade = (35, 36, 43)
    text: Shade = (240, 241, 242)
    faint: Shade = (97, 105, 110)
    dark: bool = True


def plot_colours(theme: str) -> PlotColours:
    """Return the colours that go with a theme of napari.

    Parameters
    ----------
    theme : str
        Its name, as a viewer has it.
    """
    from napari.utils.theme import get_theme

    chosen = get_theme(theme)
    background = _shade(chosen.background)
    return PlotColours(
        background=background,
        text=_shade(chosen.text),
        faint=_shade(chosen.highlight),
        dark=sum(background) < 3 * 128,
    )


def _shade(colour: Any) -> Shade:
    red, green, blue = colour.as_rgb_tuple(alpha=False)
    return int(red), int(green), int(blue)
