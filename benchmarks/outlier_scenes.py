"""Scenes of islands with known sizes: figure 9 of Wan et al. (2023), tissues with islands in 2-D and 3-D."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scene = tuple[NDArray[np.uint8], dict[str, NDArray[np.bool_]]]


def figure_nine() -> Scene:
    """Return figure 9 of the paper, 100 x 100, 1 in its five areas: 7 x 7, 2 x 2, a plus, a triangle, 28 x 28.

    The paper tells sizes only in part; arms of 3 and legs of 6 give the values of its text.
    """
    blank = np.zeros((100, 100), dtype=bool)
    areas = {name: blank.copy() for name in ("1", "2", "3", "4", "5")}
    areas["1"][14:21, 14:21] = True
    areas["2"][18:20, 60:62] = True
    areas["3"][50, 17:24] = True
    areas["3"][47:54, 20] = True
    areas["4"][75:81, 18:24] = np.tri(6, dtype=bool)
    areas["5"][52:80, 52:80] = True
    return np.logical_or.reduce(list(areas.values())).astype(np.uint8), areas


def square(side: int, size: int = 60) -> NDArray[np.uint8]:
    """Return a square of 1 in the middle of 0."""
    scene = np.zeros((size, size), dtype=np.uint8)
    begin = (size - side) // 2
    scene[begin : begin + side, begin : begin + side] = 1
    return scene


def four_tissues() -> Scene:
    """Return three bands of tissue with an island, a larger one, a hole and a square that is to stay; 100 x 100."""
    scene = np.zeros((100, 100), dtype=np.uint8)
    scene[:, 45:] = 1
    scene[:, 90:] = 2
    blank = np.zeros(scene.shape, dtype=bool)
    areas = {name: blank.copy() for name in ("island 3x3", "island 7x7", "hole", "square")}
    areas["island 3x3"][20:23, 15:18] = True
    areas["island 7x7"][70:77, 16:23] = True
    areas["square"][10:38, 52:80] = True
    areas["hole"][60:62, 65:67] = True
    for name, label in (("island 3x3", 3), ("island 7x7", 2), ("square", 3), ("hole", 0)):
        scene[areas[name]] = label
    return scene, areas


def islands_in_a_volume() -> Scene:
    """Return two tissues with cubes of 3, 7 and 28 voxels and a sheet of two, in a third; 64 x 64 x 64."""
    scene = np.zeros((64, 64, 64), dtype=np.uint8)
    scene[..., 32:] = 1
    blank = np.zeros(scene.shape, dtype=bool)
    areas = {name: blank.copy() for name in ("cube 3", "cube 7", "cube 28", "sheet")}
    areas["cube 3"][12:15, 12:15, 10:13] = True
    areas["cube 7"][46:53, 12:19, 8:15] = True
    areas["cube 28"][34:62, 34:62, 34:62] = True
    areas["sheet"][10:12, :, 32:] = True
    for area in areas.values():
        scene[area] = 2
    return scene, areas
