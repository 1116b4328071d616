from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from .conftest import Outcome, save, tissues

Run = Callable[..., Outcome]


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return save(tmp_path / "truth.nii.gz", tissues().astype(np.uint8))


def test_a_mask_against_itself_is_perfect(run: Run, truth: Path) -> None:
    outcome = run("evaluate", truth, truth)
    assert outcome.code == 0, outcome.err
    for text in ("1.0000", "HD95", "ml", "Mean"):
        assert text in outcome.out


def test_json_holds_dice_distances_and_volumes(run: Run, truth: Path, tmp_path: Path) -> None:
    moved = save(tmp_path / "moved.nii.gz", np.roll(tissues(), 1, axis=0).astype(np.uint8))
    data = run("evaluate", moved, truth, "--json").data
    wm = data["classes"][2]
    both = ((np.roll(tissues(), 1, axis=0) == 3) & (tissues() == 3)).sum()
    assert wm["dice"] == pytest.approx(both / (tissues() == 3).sum())
    assert wm["hd95_mm"] == pytest.approx(1.5)
    assert wm["volume_ml"] == pytest.approx(wm["voxels"] * 3e-3)
    assert data["matched_with_ground_truth"] is None


def test_matching_says_that_it_looked_at_the_truth(run: Run, truth: Path, tmp_path: Path) -> None:
    permuted = save(tmp_path / "p.nii.gz", np.array([0, 3, 1, 2], np.uint8)[tissues()])
    assert run("evaluate", permuted, truth, "--json").data["mean_dice"] == 0
    matched = run("evaluate", permuted, truth, "--match-labels", "--json").data
    assert matched["mean_dice"] == 1
    assert matched["matched_with_ground_truth"] == [[1, 2], [2, 3], [3, 1]]
    assert "ground truth" in run("evaluate", permuted, truth, "--match-labels").out


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("top", [200, 900])
def test_an_image_in_place_of_labels_is_refused(run: Run, truth: Path, tmp_path: Path, side: int, top: int) -> None:
    image = save(tmp_path / "t1.nii.gz", (np.arange(tissues().size) % top).reshape(tissues().shape).astype(np.int16))
    outcome = run("evaluate", *((image, truth) if side == 0 else (truth, image)))
    assert outcome.code == 2
    assert "t1.nii.gz" in outcome.err
    assert "Give the mask, not the image" in outcome.err


def test_masks_without_a_common_label_get_a_hint(run: Run, truth: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "other.nii.gz", np.array([0, 10, 20, 30], np.uint8)[tissues()])
    assert "--match-labels" in run("evaluate", other, truth).out
    assert run("evaluate", other, truth, "--json").data["findings"][0]["code"] == "disjoint-labels"
