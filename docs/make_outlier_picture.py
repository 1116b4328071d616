"""Draw docs/pictures/outlier-figure-9.png: figure 9 of Wan et al. (2023) again, and what descent makes of it.

python docs/make_outlier_picture.py [-o docs/pictures]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.outlier_scenes import figure_nine

from napari_gmmseg.figures.drawing import INK, PALE, PAPER, font
from napari_gmmseg.figures.saving import save_picture
from napari_gmmseg.losses import OutlierRegionLoss, outlier_score, printed_density_map

INNER, OUTER = 7, 21
#: Pixels on the page of a pixel of the scene; between panels; of a caption.
ZOOM, GAP, CAPTION = 4, 24, 46
#: Logits of the scene, as sure as a trained network, and steps of descent.
MARGIN, STEPS = 6.0, 300
#: Where the areas' numbers are written, (x, y) in pixels of the scene.
PLACES = {"1": (15, 23), "2": (59, 22), "3": (19, 55), "4": (19, 83), "5": (64, 82)}


def descended(labels: NDArray[np.uint8], mode: str) -> NDArray[np.float32]:
    """Return the probability of white after descent from free logits."""
    white = MARGIN * (torch.from_numpy(labels).float() - 0.5)
    logits = torch.stack([-white, white])[None].requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    loss = OutlierRegionLoss(inner=INNER, outer=OUTER, mode=mode)  # type: ignore[arg-type]
    mask = torch.ones(1, *labels.shape, dtype=torch.bool)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(logits.log_softmax(1), mask).backward()
        optimiser.step()
    result: NDArray[np.float32] = logits.detach().softmax(1)[0, 1].numpy()
    return result


def panel(values: NDArray[np.float32], title: str, words: str, *, numbered: bool = False) -> Image.Image:
    """Return values of 0 to 1 in grey, with two lines below."""
    grey = np.repeat(np.repeat((255 * values.clip(0, 1)).round().astype(np.uint8), ZOOM, 0), ZOOM, 1)
    picture = Image.new("RGB", (grey.shape[1], grey.shape[0] + CAPTION), PAPER)
    picture.paste(Image.fromarray(grey), (0, 0))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, grey.shape[1] - 1, grey.shape[0] - 1), outline=PALE)
    if numbered:
        for name, (x, y) in PLACES.items():
            draw.text((ZOOM * x, ZOOM * y), name, INK, font(16))
    draw.text((0, grey.shape[0] + 6), title, INK, font(17))
    draw.text((0, grey.shape[0] + 27), words, PALE, font(14))
    return picture


def main() -> None:
    """Draw it, and print the values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "pictures")
    folder: Path = parser.parse_args().output
    scene, areas = figure_nine()
    white = torch.from_numpy(scene)[None].float()
    score = outlier_score(white[None], INNER, OUTER)[0].numpy()
    density = printed_density_map(white, INNER, OUTER)[0].numpy()
    panels = [
        panel(scene.astype(np.float32), "The scene of figure 9", "100 x 100, five areas", numbered=True),
        panel(score, "The score, i = 7, j = 21", "0 black to 1 white", numbered=True),
        panel(1 - density / density.max(), "The printed loss, - density", "lowest (black) on the islands"),
        panel(descended(scene, "surrounding"), f"After {STEPS} steps down our loss", "islands gone, area 5 whole"),
        panel(descended(scene, "printed"), f"After {STEPS} steps down the printed one", "every island has grown"),
    ]
    width = sum(p.width for p in panels[:3]) + 4 * GAP
    sheet = Image.new("RGB", (width, 2 * panels[0].height + 3 * GAP), PAPER)
    for number, picture in enumerate(panels):
        row, column = divmod(number, 3)
        sheet.paste(picture, (GAP + column * (picture.width + GAP), GAP + row * (picture.height + GAP)))
    save_picture(folder / "outlier-figure-9.png", np.asarray(sheet))
    for name, area in areas.items():
        words = f"area {name}: score {score[area].mean():.2f}, from {score[area].min():.2f} to {score[area].max():.2f}"
        print(f"{words}; printed loss {-density[area].mean():.3f}")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
