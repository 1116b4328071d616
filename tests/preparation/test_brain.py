"""A brain proposed in a whole head, and none where there is none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_gmmseg.config import Box, PreparationConfig, find_preset
from napari_gmmseg.io.atlas import read_atlas
from napari_gmmseg.io.reading import read_channels
from napari_gmmseg.io.sample import sample_path
from napari_gmmseg.preparation import Prepared, prepare
from napari_gmmseg.preparation.block_grid import BlockGrid
from napari_gmmseg.preparation.information import sample
from napari_gmmseg.volumes import AtlasPrior, Volume

from .heads import make_head, overlap

BRAIN = find_preset("brain-t1")
DATA = Path(__file__).parents[3] / "shared" / "data"


def prepared(volume: Volume, **told: object) -> Prepared:
    return prepare(volume, preset=BRAIN, atlas=read_atlas, **told)  # type: ignore[arg-type]


def unwanted() -> AtlasPrior:
    raise AssertionError("nobody looks for a brain here")


def codes(found: Prepared) -> set[str]:
    return {finding.code for finding in found.findings}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"degrees": 12.0, "moved_mm": 70.0},
        {"size": 0.88},
        {"inverted": True},
        {"air": False},
    ],
    ids=["as the atlas lies", "pitched, header elsewhere", "a small head", "other contrast", "in zeros"],
)
def test_the_brain_is_found_in_a_head(told: dict[str, float]) -> None:
    head = make_head(**told)  # type: ignore[arg-type]
    found = prepared(head.volume)
    assert found.tissue_names
    assert found.brain_confidence is not None
    assert found.brain_confidence > 0.9
    assert codes(found) == {"proposed-brain"}
    assert overlap(found.mask, head.brain) > 0.93


def test_the_same_head_gives_the_same_mask() -> None:
    head = make_head()
    np.testing.assert_array_equal(prepared(head.volume).mask, prepared(head.volume).mask)


def test_without_an_atlas_a_head_stays_a_head() -> None:
    found = prepare(make_head().volume, preset=BRAIN)
    assert not found.tissue_names
    assert found.brain_confidence is None


@pytest.mark.parametrize("name", ["brain_t1", "glioma_t1", "glioma_t1gd", "glioma_t2", "glioma_flair"])
def test_a_brain_without_its_skull_is_kept_as_it_is(name: str) -> None:
    (volume,) = read_channels(sample_path(f"{name}.nii.gz"))
    with_atlas = prepare(volume, preset=BRAIN, atlas=unwanted)
    without = prepare(volume, preset=BRAIN)
    np.testing.assert_array_equal(with_atlas.mask, without.mask)
    assert with_atlas.tissue_names
    assert with_atlas.findings == without.findings


@cache
def not_brains() -> dict[str, Volume]:
    """Return noise, balls, hearts, and heads that stand on their top."""
    like = make_head().volume
    rng = np.random.default_rng(1)
    shape = like.grid_shape
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    radius = np.sqrt(z**2 + y**2 + x**2)
    noise = np.abs(rng.normal(0, 100, shape))
    arrays = {
        "noise": noise,
        "smooth noise": 1000 + 3000 * ndimage.gaussian_filter(rng.normal(0, 1, shape), 3),
        "a ball": np.where(radius < 0.8, 900.0, 20.0) + noise,
        "shells": np.select([radius < r for r in (0.3, 0.5, 0.7, 0.78, 0.9)], [200, 1500, 1000, 50, 1800], 10) + noise,
        "upside down": like.data[0, ::-1].copy(),
        "wrong axes": np.ascontiguousarray(like.data[0].transpose(2, 0, 1)),
    }
    found = {
        name: replace(like, data=a[np.newaxis].astype(np.float32), geometry=replace(like.geometry, shape=a.shape))
        for name, a in arrays.items()
    }
    for name in ("bssfp", "lge", "t2"):
        (heart,) = read_channels(sample_path(f"heart_{name}.nii.gz"))
        found[f"heart {name}"] = heart
    (heart,) = read_channels(sample_path("heart_bssfp.nii.gz"))
    tall = ndimage.zoom(heart.data[0], (4, 0.5, 0.5), order=1)[np.newaxis]
    found["a tall heart"] = Volume.from_array(tall, spacing=(4.0, 2.5, 2.5))
    return found


NOT_BRAINS = (
    "noise",
    "smooth noise",
    "a ball",
    "shells",
    "upside down",
    "wrong axes",
    "heart bssfp",
    "heart lge",
    "heart t2",
    "a tall heart",
)


@pytest.mark.parametrize("name", NOT_BRAINS)
def test_where_no_brain_is_credible_no_tissue_is_named(name: str) -> None:
    found = prepared(not_brains()[name])
    assert not found.tissue_names
    assert found.brain_confidence is not None
    assert found.brain_confidence < 0.5
    assert any("none is credible" in finding.message for finding in found.findings)


def test_a_person_who_says_where_to_look_is_not_second_guessed() -> None:
    head = make_head()
    box = Box(start=(10, 10, 10), stop=(30, 30, 30))
    for told in ({"mask": head.brain}, {"region": head.brain}, {"config": PreparationConfig(box=box)}):
        prepare(head.volume, preset=BRAIN, atlas=unwanted, **told)  # type: ignore[arg-type]
    prepare(head.volume, PreparationConfig(mask="none"), preset=BRAIN, atlas=unwanted)
    prepare(head.volume, preset=find_preset("custom"), atlas=unwanted)


def test_a_picture_and_a_series_over_time_are_not_looked_through() -> None:
    head = make_head().volume
    data = np.ascontiguousarray(head.data[:, 30:31])
    prepare(Volume.from_array(data, spacing=(3.0, 3.0, 3.0)), preset=BRAIN, atlas=unwanted)
    series = np.stack([head.data[0]] * 2)[np.newaxis]
    prepare(replace(head, data=series), preset=BRAIN, atlas=unwanted)


def test_a_head_of_few_thick_slices_is_looked_through() -> None:
    head = make_head()
    every = replace(head.volume.geometry, shape=(2, *head.brain.shape[1:]))
    found = prepared(replace(head.volume, data=np.ascontiguousarray(head.volume.data[:, 30:32]), geometry=every))
    assert found.brain_confidence is not None


@pytest.mark.parametrize("shown", [(1,), (1, 3)])
def test_a_head_in_one_slice_or_two_of_a_few_is_no_obstacle(shown: tuple[int, ...]) -> None:
    y, x = np.mgrid[:220, :180]
    away = np.hypot((y - 110) / 95, (x - 90) / 75)
    head = np.select([away < 0.8, away < 0.9, away < 1], [120.0, 15.0, 200.0], 0.0)
    image = np.stack([head if z in shown else np.zeros_like(head) for z in range(max(shown) + 2)])
    image = np.abs(image + np.random.default_rng(0).normal(0, 6, image.shape))
    found = prepared(Volume.from_array(image.astype(np.float32), (10.0, 1.0, 1.0)))
    assert found.mask.any()


def test_voxels_that_are_no_numbers_are_no_obstacle() -> None:
    head = make_head()
    data = head.volume.data.copy()
    data[0, 5, 5, 5:9] = np.nan
    found = prepared(replace(head.volume, data=data))
    assert found.tissue_names
    assert not found.mask[5, 5, 5:9].any()


def test_the_gradient_of_the_information_is_that_of_finite_differences() -> None:
    head = make_head()
    affine = np.array(head.volume.geometry.affine)
    samples = sample(head.volume.data[0], affine, np.ones(head.brain.shape, dtype=bool), read_atlas(), 12.0)
    matrix = np.eye(4)
    matrix[:3, 3] = (3.1, -4.3, 2.7)
    _, gradient = samples.information(matrix)
    for row, column, step in ((0, 3, 1e-3), (1, 3, 1e-3), (2, 3, 1e-3), (0, 0, 1e-5), (1, 2, 1e-5)):
        values = []
        for sign in (1, -1):
            moved = matrix.copy()
            moved[row, column] += sign * step
            values.append(samples.information(moved)[0])
        assert (values[0] - values[1]) / 2 / step == pytest.approx(gradient[row, column], rel=0.02, abs=1e-5)


@pytest.mark.parametrize(
    ("spacing", "divide"), [((1.0, 1.0, 1.0), False), ((0.9, 0.9, 5.0), True), ((3.0, 3.0, 3.0), True)]
)
def test_a_mask_survives_the_way_to_another_grid_and_back(spacing: tuple[float, ...], divide: bool) -> None:
    affine = np.diag([*spacing, 1.0])
    shape = tuple(int(90 / s) for s in spacing)
    places = np.stack(np.meshgrid(*[np.arange(n) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"))
    ball = ((places - 45) ** 2).sum(axis=0) < 30**2
    grid = BlockGrid.of(affine, shape, 2.0 if not divide else 1.0, divide=divide)
    there = grid.take(ball.astype(np.float32)) >= 0.5
    assert there.sum() * np.prod(grid.spacing) == pytest.approx(ball.sum() * np.prod(spacing), rel=0.03)
    assert overlap(grid.give(there), ball) > 0.97


@pytest.mark.data
@pytest.mark.parametrize(
    ("image", "truth", "least"),
    [
        ("spm12_avg152/avg152T1.nii", "spm12_avg152/labels_tissue.nii.gz", 0.96),
        ("spm12_avg152/avg152T2.nii", "spm12_avg152/labels_tissue.nii.gz", 0.93),
        ("spm12_avg152/avg152PD.nii", "spm12_avg152/labels_tissue.nii.gz", 0.95),
        ("spm12_avg152/single_subj_T1.nii", "spm12_avg152/labels_tissue.nii.gz", 0.94),
        ("ptbp_dev/template/PTBP_T1_Head.nii.gz", "ptbp_dev/template/PTBP_T1_BrainCerebellum.nii.gz", 0.97),
    ],
)
def test_the_brain_is_found_in_real_heads(image: str, truth: str, least: float) -> None:
    if not DATA.is_dir():
        pytest.skip("the real images beside the checkout (../shared/data) are not there")
    (volume,), (brain,) = read_channels(DATA / image), read_channels(DATA / truth)
    found = prepared(volume)
    assert found.tissue_names
    assert overlap(found.mask, brain.data[0] > 0) > least


@pytest.mark.data
def test_real_brains_without_their_skull_are_kept_as_they_are() -> None:
    if not DATA.is_dir():
        pytest.skip("the real images beside the checkout (../shared/data) are not there")
    names = ("philips_mprage/bet", "philips_mprage/demo_2mm_t1", "ptbp_dev/template/PTBP_T1_BrainCerebellum")
    for name in (*names, *(f"glioma3d_dev/TCGA-DU-7294_{c}" for c in ("t1", "t1c", "t2", "flair"))):
        (volume,) = read_channels(DATA / f"{name}.nii.gz")
        found, before = prepare(volume, preset=BRAIN, atlas=unwanted), prepare(volume, preset=BRAIN)
        np.testing.assert_array_equal(found.mask, before.mask)
        assert found.tissue_names
