"""The bias field of a mixture: what is found of a known field, and where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_gmmseg.mixture.bias_field import LEAST_GAIN, FoundField, Search, search_bias_field, without_bias
from napari_gmmseg.volumes import BiasField

SHAPE = (40, 48, 44)
SPACING = (3.0, 3.0, 3.0)


def tissue(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    """Three tissues in patches that lie anywhere, 0 ... 2."""
    rough = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), [2.0 if n > 1 else 0.0 for n in shape])
    return np.digitize(rough, np.quantile(rough, (0.25, 0.6)))


def ellipsoid(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    axes = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape), indexing="ij")
    return sum(axis**2 for axis in axes) < 0.9


def slope(shape: tuple[int, ...] = SHAPE, amount: float = 0.2) -> np.ndarray:
    """A field that is no sum of our cosines, from 1 - amount to 1 + amount over the grid."""
    z, y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape)
    raw = x[None, None] + 0.6 * y[None, :, None] + 0.5 * z[:, None, None] * y[None, :, None] - 0.7 * x[None, None] ** 2
    return 1 + amount * (2 * (raw - raw.min()) / np.ptp(raw) - 1)


def image(labels: np.ndarray, means: tuple[float, ...] = (40.0, 75.0, 110.0), noise: float = 3.0, seed: int = 1):
    return np.array(means)[labels] + np.random.default_rng(seed).normal(0, noise, labels.shape)


def find(channels: list[np.ndarray], mask: np.ndarray, spacing=SPACING, **options) -> FoundField:
    stacked = torch.from_numpy(np.stack(channels).astype(np.float32))
    settings = {"unit": "mm", "n_classes": 3, **options}
    return ended(search_bias_field(stacked, torch.from_numpy(mask), spacing, **settings))


def ended(search: Search) -> FoundField:
    """Return what a search ends with."""
    while True:
        try:
            next(search)
        except StopIteration as end:
            return end.value


def compared(found: FoundField, true: np.ndarray, mask: np.ndarray, channel: int = 0) -> tuple[float, float]:
    """Return the correlation of the log fields inside the mask, and the root mean square of their difference."""
    assert found.field is not None
    ours, logs = np.log(found.field.whole(mask.shape)[channel][mask]), np.log(true[mask])
    return float(np.corrcoef(ours, logs)[0, 1]), float(np.std(ours - logs))


def test_a_known_field_is_found() -> None:
    mask, true = ellipsoid(), slope()
    found = find([image(tissue()) * true], mask)
    correlation, error = compared(found, true, mask)
    assert correlation > 0.97
    assert error < 0.4 * np.std(np.log(true[mask]))
    assert found.gains[0] > LEAST_GAIN


def test_without_bias_there_is_no_field() -> None:
    found = find([image(tissue())], ellipsoid())
    assert found.field is None
    assert found.gains[0] < LEAST_GAIN / 2


def test_a_field_that_is_forced_without_bias_is_next_to_nothing() -> None:
    found = find([image(tissue())], ellipsoid(), forced=True)
    assert found.field is not None
    assert found.field.percent[0] < 1.5


def test_the_mean_of_the_field_inside_the_mask_is_one_in_the_log_domain() -> None:
    mask = ellipsoid()
    mask[:, :, 26:] = False
    found = find([image(tissue()) * slope()], mask)
    assert found.field is not None
    assert abs(np.log(found.field.whole(SHAPE)[0][mask]).mean()) < 1e-5


def test_each_channel_has_its_own_field() -> None:
    mask, true = ellipsoid(), slope()
    other = slope()[:, :, ::-1]
    labels = tissue()
    found = find([image(labels) * true, image(labels, (120, 90, 50), seed=2) * other, image(labels, seed=3)], mask)
    assert compared(found, true, mask, 0)[0] > 0.97
    assert compared(found, other, mask, 1)[0] > 0.97
    assert found.field is not None
    assert not found.field.coefficients[2].any()
    assert (found.field.whole(SHAPE)[2] == 1).all()


def test_what_lies_outside_the_mask_does_not_matter() -> None:
    mask, true = ellipsoid(), slope()
    inside = image(tissue()) * true
    spoilt = np.where(mask, inside, 1e4)
    one, other = find([inside], mask), find([spoilt], mask)
    assert one.field is not None
    assert other.field is not None
    np.testing.assert_array_equal(one.field.coefficients, other.field.coefficients)


def test_a_slice_has_a_field_too() -> None:
    shape = (1, 180, 160)
    mask, true = ellipsoid(shape), slope(shape)
    found = find([image(tissue(shape)) * true], mask, (5.0, 1.0, 1.0))
    correlation, error = compared(found, true, mask)
    assert correlation > 0.95
    assert error < 0.04
    assert found.field is not None
    assert found.field.coefficients.shape[1] == 1


def test_thick_slices_are_measured_in_mm() -> None:
    shape = (24, 130, 120)
    mask, true = ellipsoid(shape), slope(shape)
    found = find([image(tissue(shape)) * true], mask, (6.0, 1.2, 1.2))
    assert compared(found, true, mask)[0] > 0.97


def test_frames_share_a_field() -> None:
    mask, true = ellipsoid(), slope()
    frames = np.stack([image(tissue(seed=s), seed=s) * true for s in (0, 1)])
    found = find([frames], np.stack([mask, mask]))
    assert found.field is not None
    assert found.field.coefficients.ndim == 4
    corrected = without_bias(torch.from_numpy(frames[None].astype(np.float32)), found.field)
    np.testing.assert_allclose(corrected[0].numpy(), frames / found.field.whole(SHAPE)[0], rtol=1e-5)


def test_an_image_in_pixels_counts_as_a_head() -> None:
    mask, true = ellipsoid(), slope()
    found = find([image(tissue()) * true], mask, (1.0, 1.0, 1.0), unit="pixel")
    assert compared(found, true, mask)[0] > 0.95


@pytest.mark.parametrize(
    "values",
    [
        np.full(SHAPE, 7.0),
        np.where(tissue() > 1, 1.0, 0.0),
        image(tissue()) - 80.0,
    ],
    ids=["constant", "mostly zero", "negative"],
)
def test_what_is_no_product_is_left_alone(values: np.ndarray) -> None:
    found = find([values, image(tissue()) * slope()], ellipsoid(), forced=True)
    assert found.suited == (False, True)
    assert found.field is not None
    assert not found.field.coefficients[0].any()
    assert np.isfinite(found.field.coefficients).all()


def test_a_mask_of_few_voxels_has_no_field() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[4:8, 4:8, 4:8] = True
    found = find([image(tissue()) * slope()], mask, forced=True)
    assert found.field is None
    assert found.suited == (False,)


def test_a_thin_mask_without_whole_blocks_is_sampled_voxel_by_voxel() -> None:
    mask = np.zeros((60, 180, 160), dtype=bool)
    mask[::2, ::2, :] = True
    true = slope(mask.shape)
    found = find([image(tissue(mask.shape)) * true], mask, (1.0, 1.0, 1.0))
    assert compared(found, true, mask)[0] > 0.95


def test_the_same_image_gives_the_same_bits() -> None:
    channels, mask = [image(tissue()) * slope()], ellipsoid()
    one, other = find(channels, mask), find(channels, mask)
    assert one.field is not None
    assert other.field is not None
    assert one.field.coefficients.tobytes() == other.field.coefficients.tobytes()


def test_the_unit_of_the_intensities_does_not_matter() -> None:
    mask, shaded = ellipsoid(), image(tissue()) * slope()
    one, other = find([shaded], mask), find([shaded * 1000], mask)
    assert one.field is not None
    assert other.field is not None
    np.testing.assert_allclose(one.field.coefficients, other.field.coefficients, atol=1e-4)


def test_noise_alone_is_no_field() -> None:
    noise = 100 + np.random.default_rng(0).normal(0, 10, SHAPE)
    assert find([noise], ellipsoid()).field is None


def test_an_image_is_divided_by_its_field() -> None:
    mask, true = ellipsoid(), slope()
    shaded = (image(tissue()) * true).astype(np.float32)
    found = find([shaded], mask)
    assert found.field is not None
    result = without_bias(torch.from_numpy(shaded[None]), found.field)
    np.testing.assert_allclose(result[0].numpy(), shaded / found.field.whole(SHAPE)[0], rtol=1e-5)


def test_another_box_of_the_volume_is_divided_by_the_field_that_is_there() -> None:
    coefficients = np.zeros((1, 2, 2, 2))
    coefficients[0, 1, 0, 1] = 0.4
    field = BiasField(coefficients, (2, 3, 4), (10, 12, 14), (10.0,))
    own, part = (slice(2, 12), slice(3, 15), slice(4, 18)), (slice(5, 11), slice(0, 9), slice(6, 20))
    ones = torch.ones((1, 20, 20, 24))
    whole = 1 / torch.from_numpy(field.whole((20, 20, 24)))
    for where in (own, part):
        box = (slice(None), *where)
        torch.testing.assert_close(without_bias(ones[box], field, where), whole[box])
    torch.testing.assert_close(without_bias(ones[(slice(None), *own)], field), whole[(slice(None), *own)])


def test_a_channel_that_hardly_differs_has_no_field_and_makes_no_numbers_that_are_none() -> None:
    for seed in range(16):
        rng = np.random.default_rng(seed)
        channel = np.full((48, 48, 48), 100.0, dtype=np.float32)
        channel[tuple(rng.integers(0, 48, (3, 40)))] = rng.normal(100, 5, 40)
        image, mask = torch.from_numpy(channel[None]), torch.ones(channel.shape, dtype=torch.bool)
        found = ended(search_bias_field(image, mask, (4.0,) * 3, unit="mm", n_classes=3, forced=True))
        assert np.isfinite(found.gains).all()
        assert found.field is None or np.isfinite(found.field.coefficients).all()
