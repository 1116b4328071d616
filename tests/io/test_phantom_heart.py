"""The generated heart."""

import numpy as np
import pytest
from scipy import ndimage

from napari_gmmseg.config.presets import PRESETS
from napari_gmmseg.io.phantom import Acquisition, Phantom
from napari_gmmseg.io.phantom_heart import HeartAnatomy, heart_phantom

CLEAN = Acquisition(noise_percent=0, bias_percent=0, texture_percent=0, blur_mm=0)


@pytest.fixture(scope="module")
def heart() -> Phantom:
    return heart_phantom(0)


def class_means(phantom: Phantom) -> np.ndarray:
    """Mean of each channel in each class, (C, K)."""
    labels = phantom.truth.labels
    return np.array(
        [[channel[labels == c.value].mean() for c in phantom.truth.classes] for channel in phantom.volume.data]
    )


def test_the_same_seed_gives_the_same_bits(heart):
    again = heart_phantom(0)
    assert np.array_equal(again.volume.data, heart.volume.data)
    assert np.array_equal(again.truth.labels, heart.truth.labels)
    assert again.attributes == heart.attributes


def test_another_seed_gives_another_heart(heart):
    other = heart_phantom(1)
    assert (other.truth.labels != heart.truth.labels).mean() > 0.005
    assert not np.array_equal(other.volume.data, heart.volume.data)


@pytest.mark.parametrize("seed", range(4))
def test_every_class_is_present_and_the_ranks_of_its_means_are_those_of_the_preset(seed):
    phantom = heart_phantom(seed)
    preset = PRESETS["cardiac"]
    assert phantom.volume.channels == preset.contrasts
    assert preset.classes is not None
    assert phantom.truth.classes == preset.classes
    assert min(phantom.truth.counts().values()) > 200
    for contrast, means in zip(phantom.volume.channels, class_means(phantom), strict=True):
        ranks = np.argsort(np.argsort(means))
        assert ranks.tolist() == [c.ranks[contrast] for c in preset.classes], contrast


def test_truth_fills_the_mask_and_nothing_else(heart):
    assert np.array_equal(heart.truth.labels > 0, heart.mask)


def test_the_left_ventricle_is_one_piece_in_every_slice(heart):
    for region in heart.mask:
        assert ndimage.label(region)[1] == 1


def test_scar_touches_the_cavity_and_oedema_lies_around_it(heart):
    labels = heart.truth.labels
    blood = ndimage.binary_dilation(labels == 1, np.ones((1, 5, 5)))
    assert (blood & (labels == 4)).sum() > 0.1 * (labels == 4).sum()
    around = ndimage.binary_dilation(labels == 4, np.ones((1, 5, 5))) & (labels != 4) & heart.mask
    assert (labels[around] == 3).sum() > (labels[around] == 2).sum()


def test_papillary_muscle_stands_in_the_cavity():
    with_muscle, without = (heart_phantom(0, HeartAnatomy(papillary_mm=r), CLEAN) for r in (4.0, 0.0))
    grown = (with_muscle.truth.labels == 2) & (without.truth.labels == 1)
    assert grown.sum() > 50


def test_without_noise_a_voxel_inside_one_tissue_has_its_mean_and_borders_lie_between():
    clean = heart_phantom(0, acquisition=CLEAN)
    bssfp, blood = clean.volume.data[0], clean.truth.labels == 1
    deep = ndimage.binary_erosion(blood, np.ones((1, 5, 5)))
    # Some hold papillary muscle for a part of their 8 mm.
    assert np.isclose(bssfp[deep], 760, rtol=1e-5).mean() > 0.95
    assert bssfp[deep].max() < 761
    rim = bssfp[blood & ~deep]
    assert ((rim > 300) & (rim < 750)).mean() > 0.1


def test_air_is_rayleigh_noise_and_not_zero(heart):
    noisy = heart_phantom(0, acquisition=Acquisition(noise_percent=10, bias_percent=0, texture_percent=0))
    clean = heart_phantom(0, acquisition=CLEAN)
    std = 0.1 * 760
    lung = clean.volume.data[0] < 31
    assert noisy.volume.data[0][lung].mean() == pytest.approx(std * np.sqrt(np.pi / 2) * 1.04, rel=0.03)


def test_sizes_follow_the_anatomy():
    anatomy = HeartAnatomy(shape=(6, 96, 112), spacing=(10.0, 1.5, 1.5), infarct_degrees=0)
    phantom = heart_phantom(3, anatomy)
    assert phantom.volume.data.shape == (3, 6, 96, 112)
    assert phantom.volume.geometry.spacing == (10.0, 1.5, 1.5)
    assert phantom.truth.counts()[4] == 0
    larger = heart_phantom(3, HeartAnatomy(shape=(6, 96, 112), spacing=(10.0, 1.5, 1.5), cavity_mm=28))
    assert larger.truth.counts()[1] > 1.2 * phantom.truth.counts()[1]
