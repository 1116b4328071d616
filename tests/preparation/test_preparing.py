from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.config import Box, Disc, PreparationConfig, find_preset, numbered_classes
from napari_gmmseg.errors import GmmsegError, InputError, MaskError, SettingsError
from napari_gmmseg.preparation import check_distinct_values, prepare, with_expected_contrasts
from napari_gmmseg.volumes import Geometry, LabelMap, Volume

BRAIN = find_preset("brain-t1")
SHAPE = (24, 28, 26)


def ball(radius: float = 9.0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij"))
    return np.linalg.norm(grid, axis=0) < radius


def brain(seed: int = 0) -> np.ndarray:
    """A masked brain: zero outside of a ball."""
    rng = np.random.default_rng(seed)
    return np.where(ball(), rng.normal(100, 20, SHAPE), 0).astype(np.float32)


def head(seed: int = 0) -> np.ndarray:
    """A ball in Rician noise."""
    rng = np.random.default_rng(seed)
    return np.hypot(100.0 * ball() + rng.normal(0, 5, SHAPE), rng.normal(0, 5, SHAPE)).astype(np.float32)


def test_a_masked_brain_is_fitted_where_it_is_not_zero() -> None:
    prepared = prepare(Volume.from_array(brain()), preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask, ball())
    assert prepared.tissue_names
    assert not prepared.findings


def test_zeros_inside_the_brain_stay_out() -> None:
    data = brain()
    data[12, 14, 13] = 0
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    assert not prepared.mask[12, 14, 13]
    assert prepared.mask.sum() == ball().sum() - 1


def test_a_tight_crop_of_a_brain_is_still_a_masked_brain() -> None:
    data = brain()[3:-3, 5:-5, 4:-4]
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask, data != 0)


def test_a_slice_of_a_masked_brain_is_one_too() -> None:
    data = brain()[12]
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask[0], data != 0)


def test_a_box_of_tissue_in_zeros_is_an_object() -> None:
    data = np.zeros((16, 16, 16), np.float32)
    data[3:13, 3:13, 3:13] = np.random.default_rng(0).choice([50.0, 100.0, 150.0], (10, 10, 10))
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask, data > 0)


def test_scaling_and_padding_leave_the_mask_alone() -> None:
    data = np.pad(brain() * 10 + 37, 8, constant_values=37)
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask, np.pad(ball(), 8))
    assert [f.code for f in prepared.findings] == ["constant-background"]


def test_a_head_in_noise_gives_the_foreground_without_tissue_names() -> None:
    prepared = prepare(Volume.from_array(head()), preset=BRAIN)
    assert (prepared.mask ^ ball()).mean() < 0.01
    assert not prepared.tissue_names
    assert [f.code for f in prepared.findings] == ["scalp-and-skull"]


def test_zeros_padded_around_a_noisy_head_do_not_make_it_a_brain() -> None:
    prepared = prepare(Volume.from_array(np.pad(head(), 6)), preset=BRAIN)
    assert not prepared.tissue_names
    assert (prepared.mask ^ np.pad(ball(), 6)).mean() < 0.01


def test_noise_rounded_to_zeros_and_ones_is_not_a_masked_background() -> None:
    rng = np.random.default_rng(1)
    data = np.where(ball(), 100 + rng.normal(0, 5, SHAPE), rng.random(SHAPE) < 0.15).round().astype(np.float32)
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    assert not prepared.tissue_names
    assert (prepared.mask ^ ball()).mean() < 0.01


def test_what_is_larger_than_a_brain_is_a_head() -> None:
    data = brain()
    small = prepare(Volume.from_array(data, spacing=(9, 8, 10)), preset=BRAIN)
    large = prepare(Volume.from_array(data, spacing=(10, 10, 10)), preset=BRAIN)
    assert small.mask.sum() * 0.72 < 2400 < large.mask.sum()
    assert (small.tissue_names, large.tissue_names) == (True, False)
    assert [f.code for f in large.findings] == ["scalp-and-skull"]
    np.testing.assert_array_equal(large.mask, small.mask)


def test_a_hole_in_the_foreground_is_filled_and_a_speck_dropped() -> None:
    data = head()
    data[12, 14, 13], data[1, 1, 1] = 0, 120
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    assert prepared.mask[12, 14, 13]
    assert not prepared.mask[1, 1, 1]


def test_a_smaller_field_of_view_in_one_channel_limits_the_mask() -> None:
    t1, flair = brain(), brain(1)
    flair[:8] = 0
    flair[14, 14, 13] = 0
    prepared = prepare(Volume.from_array(np.stack([t1, flair])), preset=BRAIN)
    expected = ball()
    expected[:8] = False
    np.testing.assert_array_equal(prepared.mask, expected)


def test_frames_have_masks_of_their_own() -> None:
    frames = np.stack([brain(), brain(1)])
    frames[1, :10] = 0
    prepared = prepare(Volume.from_array(frames[np.newaxis]), preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask, frames != 0)
    assert len(prepared.crop) == 4


def test_voxels_that_are_not_finite_leave_the_mask_and_are_told() -> None:
    data = brain()
    data[12, 14, 13], data[12, 14, 14] = np.nan, np.inf
    prepared = prepare(Volume.from_array(data), PreparationConfig(mask="none"), preset=find_preset("custom"))
    assert prepared.mask.sum() == data.size - 2
    assert [f.code for f in prepared.findings] == ["non-finite-voxels"]


def test_a_background_of_nan_is_a_background() -> None:
    data = np.where(ball(), brain(), np.nan)
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask, ball())


def test_a_given_mask_goes_before_everything() -> None:
    mask = ball(5)
    prepared = prepare(Volume.from_array(head()), mask=mask.astype(np.int16) * 7, preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask, mask)
    assert prepared.tissue_names


def test_a_mask_of_one_frame_holds_for_all() -> None:
    frames = np.stack([brain(), brain(1), brain(2)])[np.newaxis]
    prepared = prepare(Volume.from_array(frames), mask=ball(5), preset=BRAIN)
    np.testing.assert_array_equal(prepared.mask, np.stack([ball(5)] * 3))


def test_centre_and_scale_are_those_inside_the_mask() -> None:
    data = np.stack([brain(), brain(1) * 3])
    prepared = prepare(Volume.from_array(data), preset=BRAIN)
    inside = data[:, ball()].astype(np.float64)
    assert prepared.centre == pytest.approx(tuple(inside.mean(1)))
    assert prepared.scale == pytest.approx(tuple(inside.std(1)))


def test_the_crop_is_the_masks_bounding_box() -> None:
    prepared = prepare(Volume.from_array(brain()), mask=ball(5), preset=BRAIN)
    assert prepared.mask[prepared.crop].sum() == prepared.mask.sum()
    for axis in range(3):
        inside = prepared.mask[prepared.crop]
        assert inside.take(0, axis).any()
        assert inside.take(-1, axis).any()


def test_box_and_disc_cut_the_mask() -> None:
    config = PreparationConfig(box=Box(start=(6, 0, 0), stop=(12, 28, 26)), disc=Disc(centre=(13, 12), radius=4))
    prepared = prepare(Volume.from_array(brain()), config, preset=BRAIN)
    z, y, x = np.nonzero(prepared.mask)
    assert (z.min(), z.max()) == (6, 11)
    assert ((y - 13.0) ** 2 + (x - 12.0) ** 2).max() <= 16


@pytest.mark.parametrize("way", ["mask", "region", "box", "disc"])
def test_the_heart_is_fitted_inside_a_region_only(way: str) -> None:
    volume, cardiac = Volume.from_array(head()), find_preset("cardiac")
    if way in ("mask", "region"):
        prepared = prepare(volume, preset=cardiac, **{way: ball(5)})
        np.testing.assert_array_equal(prepared.mask, ball(5))
    elif way == "box":
        config = PreparationConfig(box=Box(start=(10, 10, 10), stop=(14, 15, 16)))
        assert prepare(volume, config, preset=cardiac).mask.sum() == 4 * 5 * 6
    else:
        config = PreparationConfig(disc=Disc(centre=(12, 12), radius=3))
        assert prepare(volume, config, preset=cardiac).mask[0].any()


def test_the_heart_without_a_region_is_a_sentence() -> None:
    with pytest.raises(SettingsError, match="left ventricle") as caught:
        prepare(Volume.from_array(head()), preset=find_preset("cardiac"))
    assert "--disc" in caught.value.hint


def elsewhere() -> LabelMap:
    geometry = Geometry.from_spacing(SHAPE, (3, 3, 3))
    return LabelMap(ball().astype(np.uint8), geometry, numbered_classes(1))


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"mask": np.zeros(SHAPE)}, MaskError, "empty"),
        ({"mask": np.full(SHAPE, np.nan)}, MaskError, "empty"),
        ({"mask": np.ones((3, 4, 5))}, MaskError, r"\(3, 4, 5\)"),
        ({"mask": elsewhere()}, MaskError, "another grid"),
        ({"mask": np.ones(SHAPE, complex)}, MaskError, "complex"),
        ({"region": ~ball()}, MaskError, "No voxel is left"),
        ({"config": PreparationConfig(box=Box(start=(0, 0, 0), stop=(99, 9, 9)))}, SettingsError, "inside the grid"),
        ({"config": PreparationConfig(disc=Disc(centre=(-9, -9), radius=1))}, SettingsError, "no voxel"),
        ({"config": PreparationConfig(mask="given")}, SettingsError, "no mask was given"),
        ({"config": PreparationConfig(mask="none"), "mask": ball()}, SettingsError, "'none'"),
    ],
)
def test_masks_that_will_not_do_are_refused(options: dict, kind: type[GmmsegError], words: str) -> None:
    volume = Volume.from_array(brain(), spacing=(1, 1, 1))
    with pytest.raises(kind, match=words) as caught:
        prepare(volume, preset=BRAIN, **options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full(SHAPE, np.nan, np.float32), "finite in every channel"),
        (np.stack([brain(), np.ones(SHAPE, np.float32)]), "constant inside the mask"),
    ],
)
def test_images_that_hold_nothing_are_refused(data: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        prepare(Volume.from_array(data), preset=BRAIN)


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_constant_image_has_no_foreground(value: float) -> None:
    with pytest.raises(MaskError, match="same everywhere"):
        prepare(Volume.from_array(np.full(SHAPE, value, np.float32)), preset=BRAIN)


def test_more_classes_than_intensities_are_refused() -> None:
    volume = Volume.from_array(np.where(ball(), np.where(brain() > 100, 2.0, 1.0), 0))
    prepared = prepare(volume, preset=BRAIN)
    check_distinct_values(volume, prepared, 2)
    with pytest.raises(SettingsError, match="only 2 different"):
        check_distinct_values(volume, prepared, 3)


def test_rare_intensities_are_counted_too() -> None:
    data = np.zeros((2, 30, 40, 50), np.float32)
    data[0, 3, 3, 3], data[1, 7, 7, 7] = 1, 1
    volume = Volume.from_array(data)
    prepared = prepare(volume, PreparationConfig(mask="none"), preset=find_preset("custom"))
    check_distinct_values(volume, prepared, 3)
    with pytest.raises(SettingsError, match="only 3 different intensities in 60000 voxels"):
        check_distinct_values(volume, prepared, 4)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (("", "", ""), ("t1", "t2", "flair")),
        (("", "flair", ""), ("t1", "flair", "")),
        (("pd", "", ""), ("pd", "t2", "flair")),
        (("t2", "", "t1"), ("t2", "", "t1")),
    ],
)
def test_channels_without_a_name_are_named_by_the_presets_order(
    known: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    volume = Volume.from_array(np.stack([brain(seed) for seed in range(3)]), channels=known)
    assert with_expected_contrasts(volume, find_preset("brain-multi")).channels == expected
