"""The phantoms by which methods are compared."""

import numpy as np
import pytest

pytest.importorskip("nilearn", reason="the MNI152 maps come with nilearn, a development dependency")

from benchmarks.phantoms import bias_polynomial, make, noise_field, tissue_maps


def test_the_brain_has_its_known_size_and_a_margin_of_four_voxels_where_the_map_has_them():
    brain = tissue_maps()
    assert brain.mask.sum() == 1_882_989
    for axis in range(3):
        held = np.flatnonzero(brain.mask.any(axis=tuple(a for a in range(3) if a != axis)))
        # The template's first slice cuts through the brain stem.
        assert held[0] == (0 if axis == 0 else 4)
        assert brain.mask.shape[axis] - 1 - held[-1] == 4


def test_noise_is_in_percent_of_white_matter():
    brain = tissue_maps()
    clean, noisy = make("pv_n0b0"), make("pv_n5b0")
    difference = noisy.volume.data[0] - clean.volume.data[0]
    assert difference[brain.mask].std() == pytest.approx(0.05, rel=0.01)
    np.testing.assert_allclose(difference, 0.05 * noise_field(brain.mask.shape), atol=1e-6)
    white = clean.volume.data[0][(brain.maps[2] > 0.999) & (brain.maps[0] + brain.maps[1] < 1e-3)]
    assert white.size > 100
    np.testing.assert_allclose(white, 1, atol=1e-3)


def test_another_seed_gives_another_noise_field_of_the_same_strength():
    brain = tissue_maps()
    clean = make("t1_n0b0").volume.data[0]
    fields = [(make("t1_n5b0", seed=seed).volume.data[0] - clean)[brain.mask] for seed in (0, 1)]
    np.testing.assert_allclose([field.std() for field in fields], 0.05, rtol=0.01)
    assert abs(np.corrcoef(fields)[0, 1]) < 0.01


def test_the_bias_spans_its_percentage_inside_the_brain():
    mask = tissue_maps().mask
    field = bias_polynomial(mask)[mask]
    assert (field.min(), field.max()) == pytest.approx((-1, 1), abs=1e-6)
    ratio = make("t1_n0b40").volume.data[0][mask] / make("t1_n0b0").volume.data[0][mask]
    np.testing.assert_allclose(ratio, 1 + 0.2 * field, rtol=1e-4)


def test_truth_is_numbered_csf_gm_wm_by_rising_intensity():
    phantom = make("t1_n0b0")
    means = [phantom.volume.data[0][phantom.truth.labels == k].mean() for k in (1, 2, 3)]
    assert means == sorted(means)
    assert means[2] == pytest.approx(1, abs=1e-4)


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="no phantom's name"):
        make("t2_n5b0")
