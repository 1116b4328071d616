"""The automatic method: what it refines, what it leaves, and that classes keep their names."""

from __future__ import annotations

import numpy as np
import pytest

QUICK = {"max_steps": 60, "width": 4}


@pytest.fixture
def refined(squares, segment):
    """The noisy squares, refined."""
    image, truth = squares

    def run(**settings):
        return segment(image, truth > 0, spacing=None, **{**QUICK, **settings})

    return run


def test_a_noisy_image_of_one_channel_is_refined(refined) -> None:
    result = refined()
    assert result.method == "blindspot"
    assert result.base.method == "spatial"
    assert result.prior is not None
    assert result.base.prior is None
    assert result.base.base is None
    changed = result.label_map.labels != result.base.label_map.labels
    assert 0.005 < changed.sum() / result.mask.sum() < 0.5


def test_what_was_refined_is_the_spatial_mixture_to_the_bit(refined) -> None:
    base, spatial = refined().base, refined(method="spatial", max_steps=None)
    assert base.probabilities.tobytes() == spatial.probabilities.tobytes()
    assert base.label_map.labels.tobytes() == spatial.label_map.labels.tobytes()
    assert base.log_likelihood == spatial.log_likelihood
    assert base.steps == spatial.steps
    np.testing.assert_array_equal(base.mixture.means, spatial.mixture.means)


def test_a_refinement_is_that_of_the_method_it_names(refined) -> None:
    auto, blindspot = refined(), refined(method="blindspot")
    assert auto.probabilities.tobytes() == blindspot.probabilities.tobytes()
    assert blindspot.base is None


def test_a_clean_image_of_one_channel_is_left_to_the_spatial_mixture(brain, segment) -> None:
    image, truth = (part[40:44] for part in brain)
    result = segment(image, truth > 0)
    assert result.method == "spatial"
    assert result.base is None
    assert result.prior is None
    assert {report.phase for report in result.history} == {"Bias field", "Spatial mixture"}


def test_several_channels_are_refined_clean_as_they_are(brain, segment) -> None:
    image, truth = (part[42:44] for part in brain)
    both = np.stack([image, 1.5 - image])
    result = segment(both, truth > 0, channels=("t1", "t2"), preset="brain-multi", **QUICK)
    assert (result.method, result.base.method) == ("blindspot", "spatial")


def test_whoever_wants_no_refinement_gets_the_spatial_mixture(refined) -> None:
    kept = refined(refine=False)
    assert kept.method == "spatial"
    assert kept.base is None
    assert kept.probabilities.tobytes() == refined().base.probabilities.tobytes()


def same_names(result, base):
    """Whether most voxels of each class of the result had that class before."""
    assert result.label_map.classes == base.label_map.classes
    return all(
        np.bincount(base.label_map.labels[result.label_map.labels == c.value]).argmax() == c.value
        for c in result.label_map.classes
    )


@pytest.mark.parametrize(("contrast", "turn"), [("t1", 1.0), ("t2", -1.0), ("unheard-of", 1.0)])
@pytest.mark.parametrize("method", ["auto", "deepsvg", "deepg"])
def test_classes_keep_their_names_and_values(squares, segment, contrast, turn, method) -> None:
    image, truth = squares
    how = {"spacing": None, "channels": (contrast,)}
    result = segment(turn * image, truth > 0, method=method, **how, **QUICK)
    base = segment(turn * image, truth > 0, method="spatial", **how)
    assert same_names(result, base)


def test_means_that_cross_do_not_swap_names(noisy_slice, segment) -> None:
    """Means let loose from random weights: two classes end in another order than they began."""
    image, truth = noisy_slice
    crossed = 0
    for seed in range(4):
        loose = {"means": "free", "gradient": "full", "warm_steps": 3, "max_steps": 20, "width": 2, "seed": seed}
        result = segment(image, truth > 0, spacing=None, method="deepsvg", **loose)
        assert [c.abbreviation for c in result.label_map.classes] == ["CSF", "GM", "WM"]
        means = result.mixture.class_means()[:, 0]
        crossed += int((np.diff(means) < 0).any())
        for k in range(3):
            inside = result.prior[k] * result.mask
            assert (image * inside).sum() / inside.sum() == pytest.approx(means[k], abs=0.02)
    assert crossed


def test_the_mixture_of_a_refined_result_is_that_of_its_base(refined) -> None:
    """The blind-spot prior holds the means: only the labels are learnt anew."""
    result = refined()
    np.testing.assert_allclose(result.mixture.means, result.base.mixture.means)
