"""A real mouse (Qt's test events) on the canvas of a real viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QOpenGLWidget, QWidget


def canvas_of(viewer: Any) -> QWidget:
    """Return the widget that the viewer's picture is in."""
    canvas: QWidget = viewer.window._qt_window.findChildren(QOpenGLWidget)[0]
    return canvas


def place_of(viewer: Any, layer: Any, voxel: Sequence[float]) -> QPoint:
    """Return where on the canvas a voxel of a layer is."""
    world = np.asarray(layer.data_to_world(tuple(voxel)))
    shown = list(viewer.dims.displayed)[-2:]
    camera, canvas = viewer.scene.camera, canvas_of(viewer)
    away = (world[shown] - np.asarray(camera.center)[-2:]) * camera.zoom
    return QPoint(round(canvas.width() / 2 + away[1]), round(canvas.height() / 2 + away[0]))


def paint(viewer: Any, layer: Any, voxels: Sequence[Sequence[float]]) -> None:
    """Press at the first voxel, move over the others, and lift at the last."""
    canvas = canvas_of(viewer)
    places = [place_of(viewer, layer, voxel) for voxel in voxels]
    QTest.mouseMove(canvas, places[0])
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=places[0])
    for place in places[1:]:
        QTest.mouseMove(canvas, place)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=places[-1])
