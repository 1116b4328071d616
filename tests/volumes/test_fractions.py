"""The share of each tissue in each voxel of a result, and the volumes that it sums up to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.volumes import (
    BiasField,
    ClassTable,
    Geometry,
    LabelMap,
    Mixture,
    Segmentation,
    Volume,
    class_volumes,
    fractions,
)
from napari_gmmseg.volumes.segmentation import MIXED_VOXEL_NOISE

MEANS = np.array([20.0, 60.0, 100.0])
GEOMETRY = Geometry((12, 16, 20), np.diag([2.0, 1.0, 1.5, 1.0]))


def truth() -> np.ndarray:
    """Shares of three tissues in layers, each into the next over eight voxels; (3, Z, Y, X)."""
    x = np.broadcast_to(np.linspace(-0.3, 2.3, 20), GEOMETRY.shape)
    return np.stack([np.clip(1 - x, 0, 1), np.clip(1 - np.abs(x - 1), 0, 1), np.clip(x - 1, 0, 1)])


def result(*, noise: float = 0.0, frames: int = 0) -> Segmentation:
    """A result whose classes are what most of each voxel is, of an image mixed from the truth; z = 0 is left out."""
    shares = truth() if not frames else np.repeat(truth()[:, None], frames, axis=1)
    image = np.tensordot(MEANS, shares, axes=1) + np.random.default_rng(0).normal(0, noise or 1e-9, shares.shape[1:])
    mask = np.ones(image.shape, dtype=bool)
    mask[..., 0, :, :] = False
    labels = np.where(mask, shares.argmax(axis=0) + 1, 0).astype(np.uint8)
    volume = Volume(image[None].astype(np.float32), GEOMETRY, channels=("t1",))
    covariances = np.full((3, 1, 1), max(noise, 1.0) ** 2)
    return Segmentation(
        label_map=LabelMap(labels, GEOMETRY, numbered_classes(3)),
        probabilities=np.stack([labels == k for k in (1, 2, 3)]).astype(np.float32),
        mask=mask,
        mixture=Mixture(np.full(3, 1 / 3), MEANS[:, None] + [[5], [0], [-5]], covariances, np.arange(3)),
        method="spatial",
        log_likelihood=0.0,
        steps=1,
        provenance={MIXED_VOXEL_NOISE: noise},
        image=volume,
    )


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_fractions_are_nearer_to_the_truth_than_labels(noise: float) -> None:
    made = result(noise=noise)
    true = truth() * made.mask
    off, off_labels = (np.abs(shares - true).mean() for shares in (made.fractions, made.probabilities))
    assert made.fraction_basis == "mixed voxels"
    assert off < 0.35 * off_labels
    found = np.array([volume.volume_ml_soft for volume in class_volumes(made)])
    np.testing.assert_allclose(found, true.sum(axis=(1, 2, 3)) * 3e-3, rtol=0.04)


def test_pure_voxels_are_wholly_their_tissue() -> None:
    made = result()
    pure = (truth() == 1).any(axis=0) & made.mask
    assert pure.sum() > 100
    np.testing.assert_allclose(made.fractions[:, pure], truth()[:, pure], atol=0.03)


@pytest.mark.parametrize("slab", [1, 700, 1_000_000])
@pytest.mark.parametrize("frames", [0, 2])
def test_they_sum_to_one_in_the_mask_and_to_the_sums_that_take_no_maps(
    monkeypatch: pytest.MonkeyPatch, slab: int, frames: int
) -> None:
    monkeypatch.setattr(fractions, "_SLAB", slab)
    made = result(noise=3.0, frames=frames)
    shares = made.fractions
    assert shares.dtype == np.float32
    assert ((shares >= 0) & (shares <= 1 + 1e-6)).all()
    np.testing.assert_allclose(shares.sum(axis=0), made.mask, atol=1e-5)
    np.testing.assert_allclose(made.fraction_sums, shares.reshape(3, -1).sum(axis=1, dtype=float), rtol=1e-4)
    monkeypatch.setattr(fractions, "_SLAB", 300)
    np.testing.assert_allclose(made.fractions, shares, atol=1e-6)


def test_the_classes_need_not_rise_in_intensity() -> None:
    made = result(noise=2.0)
    turned = [2, 0, 1]
    table = made.label_map.classes
    other = replace(
        made,
        label_map=replace(made.label_map, classes=ClassTable(tuple(table[k] for k in turned))),
        probabilities=made.probabilities[turned],
        mixture=replace(made.mixture, means=made.mixture.means[turned]),
    )
    np.testing.assert_allclose(other.fractions, made.fractions[turned], atol=1e-5)


def test_tissue_that_is_not_of_one_intensity_is_not_taken_for_mixed() -> None:
    """Three tissues without a mixed voxel whose intensity varies slowly, by more than the noise."""
    shape = (16, 24, 40)
    geometry = Geometry(shape, np.eye(4))
    x = np.broadcast_to(np.arange(40), shape)
    labels = np.select([x < 6, x < 20], [1, 2], 3).astype(np.uint8)
    y = np.arange(24)[:, None]
    image = MEANS[labels - 1] + 7 * np.sin(2 * np.pi * y / 24) + np.random.default_rng(0).normal(0, 1, shape)
    made = replace(
        result(),
        label_map=LabelMap(labels, geometry, numbered_classes(3)),
        probabilities=np.stack([labels == k for k in (1, 2, 3)]).astype(np.float32),
        mask=np.ones(shape, dtype=bool),
        mixture=Mixture(np.full(3, 1 / 3), MEANS[:, None], np.ones((3, 1, 1)), np.arange(3)),
        provenance={MIXED_VOXEL_NOISE: 1.0},
        image=Volume(image[None].astype(np.float32), geometry, channels=("t1",)),
    )
    true = labels[None] == np.array([1, 2, 3])[:, None, None, None]
    assert np.abs(made.fractions - true).mean() < 0.05
    np.testing.assert_allclose(made.fraction_sums, [2304, 5376, 7680], rtol=0.05)


def test_without_a_model_of_mixed_voxels_they_are_the_posterior() -> None:
    made = result()
    posterior = np.random.default_rng(1).dirichlet(np.ones(3), made.mask.shape).transpose(3, 0, 1, 2) * made.mask
    labels = np.where(made.mask, posterior.argmax(axis=0) + 1, 0).astype(np.uint8)
    plain = replace(
        made,
        probabilities=posterior.astype(np.float32),
        label_map=replace(made.label_map, labels=labels),
        provenance={},
        image=None,
    )
    assert plain.fraction_basis == "posterior"
    np.testing.assert_array_equal(plain.fractions, plain.probabilities)
    np.testing.assert_allclose(plain.fraction_sums, posterior.reshape(3, -1).sum(axis=1), rtol=1e-5)


def test_voxels_that_a_person_set_are_wholly_that_class_or_none() -> None:
    made = result(noise=2.0)
    labels = made.label_map.labels.copy()
    labels[1, :, 0:3], labels[2, :, 0:3], labels[0, 0, 0] = 3, 0, 2  # the last one lies outside the mask
    painted = replace(made, label_map=replace(made.label_map, labels=labels))
    shares = painted.fractions
    np.testing.assert_array_equal(shares[:, 1, :, 0:3], np.broadcast_to([[[0]], [[0]], [[1]]], (3, 16, 3)))
    assert not shares[:, 2, :, 0:3].any()
    assert shares[:, 0, 0, 0].tolist() == [0, 1, 0]
    np.testing.assert_allclose(painted.fraction_sums, shares.reshape(3, -1).sum(axis=1, dtype=float), rtol=1e-4)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_what_was_painted_outside_the_mask_is_wholly_of_its_class(k: int) -> None:
    made = result(noise=2.0)
    labels = made.label_map.labels.copy()
    labels[0, 0, 0] = made.label_map.classes.values[k]
    painted = replace(made, label_map=replace(made.label_map, labels=labels))
    assert painted.fractions[:, 0, 0, 0].tolist() == [float(j == k) for j in range(3)]


def test_a_class_that_is_background_keeps_its_shares() -> None:
    made = result(noise=2.0)
    labels = np.where(made.label_map.labels == 1, 0, made.label_map.labels)
    label_map = replace(made.label_map, labels=labels)
    other = replace(made, label_map=label_map, provenance={**made.provenance, "background": 1})
    # It has no label, so how even it is does not count: all but nothing changes.
    np.testing.assert_allclose(other.fractions, made.fractions, atol=0.01)


def test_intensities_count_without_the_bias_field() -> None:
    coefficients = np.zeros((1, 1, 1, 2))
    coefficients[..., 1] = 0.3
    field = BiasField(coefficients, (0, 0, 0), GEOMETRY.shape, (30.0,))
    made = result(noise=2.0)
    assert made.image is not None
    shaded = replace(made.image, data=(made.image.data * field.whole(GEOMETRY.shape)).astype(np.float32))
    np.testing.assert_allclose(replace(made, image=shaded, bias_field=field).fractions, made.fractions, atol=2e-3)


@pytest.mark.parametrize(
    "means", [np.array([20.0, 60.0, 60.0]), np.array([20.0, np.nan, 60.0])], ids=["equal", "not a number"]
)
def test_classes_without_an_intensity_of_their_own_have_the_posterior(means: np.ndarray) -> None:
    made = result()
    assert replace(made, mixture=replace(made.mixture, means=means[:, None])).fraction_basis == "posterior"


@pytest.mark.parametrize(
    ("tissues", "basis"),
    [
        (("csf", "gm", "wm"), "mixed voxels"),  # T1
        (("wm", "gm", "csf"), "mixed voxels"),  # T2
        (("csf", "wm", "gm"), "posterior"),  # FLAIR: half CSF and half grey matter is as bright as white matter
        (("gm", "", "wm"), "mixed voxels"),
    ],
)
def test_intensities_count_where_grey_matter_lies_between_csf_and_white(tissues: tuple[str, ...], basis: str) -> None:
    made = result()
    table = ClassTable(tuple(replace(c, role=role) for c, role in zip(made.label_map.classes, tissues, strict=True)))
    assert replace(made, label_map=replace(made.label_map, classes=table)).fraction_basis == basis


def test_a_class_that_only_edits_have_is_no_neighbour_of_others() -> None:
    made = result()
    weights = np.array([0.5, 0.5, 1e-9])
    assert replace(made, mixture=replace(made.mixture, mixing_weights=weights)).fraction_basis == "posterior"


def test_voxels_that_are_no_number_break_nothing() -> None:
    made = result(noise=2.0)
    assert made.image is not None
    data = np.array(made.image.data)
    data[0, 5, 5, 5:8] = np.nan, np.inf, -np.inf
    np.testing.assert_allclose(
        replace(made, image=replace(made.image, data=data)).fractions.sum(axis=0), made.mask, atol=1e-5
    )


def test_volumes_say_hard_and_soft_and_are_of_a_frame() -> None:
    one, three = result(noise=2.0), result(noise=2.0, frames=3)
    for single, of_frame in zip(class_volumes(one), class_volumes(three), strict=True):
        assert single.volume_ml_hard == pytest.approx(single.voxels_hard * 3e-3)
        assert single.volume_ml_soft == pytest.approx(single.voxels_soft * 3e-3)
        assert of_frame.volume_ml_hard == pytest.approx(single.volume_ml_hard)
        assert of_frame.volume_ml_soft == pytest.approx(single.volume_ml_soft, rel=0.02)


def test_without_spacing_there_are_no_ml() -> None:
    made = result()
    geometry = Geometry(GEOMETRY.shape, np.eye(4), unit="pixel")
    sizes = class_volumes(replace(made, label_map=replace(made.label_map, geometry=geometry)))
    assert all(size.volume_ml_hard is None and size.volume_ml_soft is None for size in sizes)
    assert sum(size.voxels_soft for size in sizes) == pytest.approx(made.mask.sum())


def test_the_image_comes_back_to_a_result_and_to_what_it_refined() -> None:
    made = result()
    assert made.image is not None
    bare = replace(made, image=None)
    whole = replace(bare, base=bare).with_image(made.image)
    assert whole.base is not None
    assert whole.fraction_basis == whole.base.fraction_basis == "mixed voxels"
