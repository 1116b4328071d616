"""What generated phantoms share: noise, field, texture."""

import numpy as np
import pytest
from pydantic import ValidationError

from napari_gmmseg.io.phantom import Acquisition, acquire, bias_field, rician, smooth_field

SPACING = (2.0, 1.0, 1.0)


def test_noise_in_air_has_the_mean_and_spread_of_a_rayleigh_distribution():
    noise = rician(np.zeros((60, 60, 60), dtype=np.float32), 10.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(10 * np.sqrt(np.pi / 2), rel=0.005)
    assert noise.std() == pytest.approx(10 * np.sqrt(2 - np.pi / 2), rel=0.005)


def test_noise_on_a_strong_signal_is_gaussian_with_a_small_positive_shift():
    signal = np.full((60, 60, 60), 200.0, dtype=np.float32)
    noisy = rician(signal, 10.0, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(10, rel=0.01)
    # Second-order expansion of the Rice mean: A + std^2 / (2 A).
    assert noisy.mean() == pytest.approx(200 + 100 / 400, abs=0.1)


def test_the_bias_field_spans_its_range_inside_the_mask():
    mask = np.zeros((6, 20, 20), dtype=bool)
    mask[1:5, 4:15, 3:18] = True
    field = bias_field(mask, 40.0, np.random.default_rng(3))
    assert field[mask].min() == pytest.approx(0.8)
    assert field[mask].max() == pytest.approx(1.2)
    assert field.min() >= 0.1


def test_the_bias_field_of_one_slice_is_finite():
    assert np.isfinite(bias_field(np.ones((1, 8, 8), dtype=bool), 20.0, np.random.default_rng(0))).all()


def test_texture_is_standard_normal_and_correlated_over_its_size_in_mm():
    field = smooth_field((24, 64, 64), SPACING, 3.0, np.random.default_rng(1))
    assert field.mean() == pytest.approx(0, abs=1e-3)
    assert field.std() == pytest.approx(1, rel=1e-3)
    near = (field[:, :, 1:] * field[:, :, :-1]).mean()
    far = (field[:, :, 20:] * field[:, :, :-20]).mean()
    assert near > 0.9
    assert abs(far) < 0.3
    # Two steps of 1 mm in a row are as alike as one step of 2 mm between slices.
    assert (field[1:] * field[:-1]).mean() == pytest.approx((field[:, :, 2:] * field[:, :, :-2]).mean(), abs=0.05)


def test_a_texture_wider_than_the_grid_is_zero_rather_than_amplified_rounding():
    assert not smooth_field((1, 1, 1), SPACING, 3.0, np.random.default_rng(1)).any()


def test_without_degradation_a_mixed_voxel_is_the_mean_of_its_tissues():
    fractions = np.zeros((2, 1, 2, 2), dtype=np.float32)
    fractions[0], fractions[1] = 0.25, 0.75
    clean = Acquisition(noise_percent=0, bias_percent=0, texture_percent=0, blur_mm=0)
    image = acquire(
        fractions,
        np.array([[100.0, 200.0], [0.0, 40.0]]),
        np.ones((1, 2, 2), dtype=bool),
        spacing=SPACING,
        acquisition=clean,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_allclose(image[0], 175, rtol=1e-6)
    np.testing.assert_allclose(image[1], 30, rtol=1e-6)


def test_noise_is_in_percent_of_the_brightest_mean_of_each_channel():
    fractions = np.ones((1, 40, 40, 40), dtype=np.float32)
    only_noise = Acquisition(noise_percent=5, bias_percent=0, texture_percent=0, blur_mm=0)
    image = acquire(
        fractions,
        np.array([[100.0], [1000.0]]),
        np.ones((40, 40, 40), dtype=bool),
        spacing=SPACING,
        acquisition=only_noise,
        rng=np.random.default_rng(0),
    )
    assert image[0].std() == pytest.approx(5, rel=0.02)
    assert image[1].std() == pytest.approx(50, rel=0.02)


def test_negative_noise_is_refused():
    with pytest.raises(ValidationError, match="noise_percent"):
        Acquisition(noise_percent=-1)
