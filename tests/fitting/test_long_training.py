"""Training on does no harm: the Dice of what a network predicts, step by step, long after it has settled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gmmseg.config.recipes import RECIPES
from napari_gmmseg.fitting.deep import predictions
from napari_gmmseg.fitting.deep.steps import PHASES
from napari_gmmseg.volumes import Look


@pytest.fixture
def curve(noisy_slice, begin, dice, monkeypatch):
    """Dice of single predictions of the noisy slice every 25 steps, over 275 steps that no rule ends early."""

    def run(method):
        image, truth = noisy_slice
        recipe = replace(RECIPES[method, "tuned"], max_steps=275, tolerance=0.0)
        monkeypatch.setitem(RECIPES, (method, "tuned"), recipe)
        # A look brings a preview with the next step; no clock brings another.
        monkeypatch.setattr(predictions, "_PREVIEW_INTERVAL", float("inf"))
        steps, command, found = begin(image, truth > 0, spacing=None, method=method), None, []
        while True:
            try:
                report = steps.send(command)
            except StopIteration:
                return np.array(found)
            after = report.step - recipe.warm_steps
            learns = report.phase in PHASES.values()
            if learns and report.preview is not None:
                found.append(dice(report.preview, truth))
            command = Look(0) if learns and after % 25 == 24 else None

    return run


def deepest_fall(values):
    """How far a value lies below the best before it, at most."""
    return float((np.maximum.accumulate(values) - values).max())


@pytest.mark.parametrize("method", ["deepsvg", "blindspot"])
def test_dice_does_not_fall_while_a_network_is_trained_on(curve, method) -> None:
    found = curve(method)
    assert len(found) == 11
    assert found[0] > 0.75
    # One prediction scatters, most while the steps are long; three of them tell where training leads.
    assert deepest_fall(found) < {"deepsvg": 0.02, "blindspot": 0.04}[method]
    # The blind-spot network's norms follow each step faster, so that its single predictions scatter more.
    most = {"deepsvg": 0.01, "blindspot": 0.015}[method]
    assert deepest_fall(np.convolve(found, np.full(3, 1 / 3), "valid")) < most
