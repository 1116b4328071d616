"""Channels of one case come on one grid, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError, InputError, SettingsError
from napari_gmmseg.preparation import resample_mask, stack_channels
from napari_gmmseg.preparation.resampling import resample_volume
from napari_gmmseg.volumes import Geometry, SourceGrid, Volume

SHAPE = (12, 16, 14)


def _head(centre: float = 0.0) -> NDArray[np.bool_]:
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    return z**2 + y**2 + (x - centre) ** 2 < 0.6


def _volume(
    seed: int = 0, *, name: str = "", spacing: tuple[float, float, float] = (2.0, 1.0, 1.0), centre: float = 0.0
) -> Volume:
    rng = np.random.default_rng(seed)
    tissue = np.random.default_rng(9).integers(0, 3, SHAPE)
    contrast = rng.permutation([40.0, 90.0, 140.0])[tissue]
    data = np.where(_head(centre), contrast + rng.normal(0, 5, SHAPE), 0).astype(np.float32)
    geometry = Geometry.from_spacing(SHAPE, spacing)
    source = SourceGrid(SHAPE, np.eye(4), (0, 1, 2), (False,) * 3, "array", paths=(Path(f"{name or seed}.nii"),))
    return Volume(data[None], geometry, (name,), source)


def test_channels_of_one_grid_are_stacked_in_order() -> None:
    stacked = stack_channels([_volume(0, name="t1"), _volume(1, name="t2")])
    assert stacked.channels == ("t1", "t2")
    np.testing.assert_array_equal(stacked.data[1], _volume(1).data[0])
    assert stacked.source is not None
    assert [p.name for p in stacked.source.paths] == ["t1.nii", "t2.nii"]
    assert not stacked.findings


def test_one_channel_is_not_copied() -> None:
    volume = _volume()
    assert np.shares_memory(stack_channels([volume]).data, volume.data)


def test_contrasts_that_are_given_win() -> None:
    assert stack_channels([_volume(0, name="t2"), _volume(1)], contrasts=("T1", "flair")).channels == ("t1", "flair")
    with pytest.raises(SettingsError, match="1 contrast for 2 channels"):
        stack_channels([_volume(0), _volume(1)], contrasts=("t1",))


def test_more_than_four_channels_are_forty_cases() -> None:
    with pytest.raises(SettingsError) as caught:
        stack_channels([_volume(i) for i in range(5)])
    assert "once for each case" in caught.value.hint


def test_two_channels_of_one_contrast_are_two_cases() -> None:
    with pytest.raises(SettingsError, match="have the contrast t1"):
        stack_channels([_volume(0, name="t1"), _volume(1, name="t1")])


def test_no_channel_is_refused() -> None:
    with pytest.raises(InputError):
        stack_channels([])


def test_other_grids_are_refused_with_both_shown() -> None:
    with pytest.raises(GeometryError) as caught:
        stack_channels([_volume(0), _volume(1, spacing=(2.0, 1.0, 1.5))])
    assert "2 x 1 x 1 mm" in caught.value.message
    assert "2 x 1 x 1.5 mm" in caught.value.message
    assert "same number of voxels" in caught.value.message
    assert "--resample" in caught.value.hint


def test_other_grids_are_resampled_on_request() -> None:
    first = _volume(0)
    ramp = np.broadcast_to(np.arange(30.0), (24, 34, 30)).astype(np.float32)
    affine = np.diag([1.0, 0.5, 0.5, 1.0])
    affine[:3, 3] = -0.25
    other = Volume(ramp[None], Geometry((24, 34, 30), affine))
    stacked = stack_channels([first, other], resample=True)
    np.testing.assert_allclose(stacked.data[1, 3, 4, 1:13], 2 * np.arange(1.0, 13) + 0.5, atol=1e-4)
    assert [f.code for f in stacked.findings] == ["resampled-channel"]
    assert stacked.geometry.same_grid(first.geometry)


def test_images_that_do_not_overlap_are_refused() -> None:
    affine = np.eye(4)
    affine[:3, 3] = 500
    with pytest.raises(GeometryError, match="do not overlap"):
        stack_channels([_volume(0), Volume(np.ones((1, *SHAPE)), Geometry(SHAPE, affine))], resample=True)


def test_pixels_cannot_be_resampled() -> None:
    flat = Volume.from_array(np.ones((5, 5)))
    with pytest.raises(GeometryError, match="without voxel size"):
        stack_channels([flat, Volume.from_array(np.ones((4, 5)))], resample=True)


def test_frames_must_agree() -> None:
    cine = Volume.from_array(np.random.default_rng(0).random((1, 3, 4, 5, 6)), (1.0, 1.0, 1.0))
    still = Volume.from_array(np.ones((4, 5, 6)), (1.0, 1.0, 1.0))
    with pytest.raises(GeometryError, match="3 frames"):
        stack_channels([cine, still])
    assert stack_channels([cine, cine]).data.shape == (2, 3, 4, 5, 6)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (10.0, 0.0), (-2.0, 300.0)])
def test_copies_are_found_even_when_scaled(scale: float, offset: float) -> None:
    volume = _volume(0)
    copy = Volume(volume.data * scale + offset, volume.geometry)
    assert [f.code for f in stack_channels([volume, copy]).findings] == ["duplicated-channel"]


def test_heads_at_different_places_are_found() -> None:
    stacked = stack_channels([_volume(0, centre=-0.6), _volume(1, centre=0.6)])
    assert [f.code for f in stacked.findings] == ["misaligned-channels"]


def test_a_head_and_its_brain_are_not_called_misaligned() -> None:
    whole = _volume(0)
    brain = _volume(1)
    small = np.where(_head() & (np.abs(np.linspace(-1, 1, SHAPE[1]))[None, :, None] < 0.6), brain.data, 0)
    assert not stack_channels([whole, Volume(small, whole.geometry)]).findings


def test_doubt_of_one_channel_is_doubt_of_all() -> None:
    doubtful = Geometry(SHAPE, _volume(0).geometry.affine, verified=False)
    assert not stack_channels([_volume(0), Volume(_volume(1).data, doubtful)]).geometry.verified


def test_channels_with_nan_are_compared_where_both_are_finite() -> None:
    data = _volume(1).data.copy()
    data[0, 5] = np.nan
    assert not stack_channels([_volume(0), Volume(data, _volume(0).geometry)]).findings


def test_a_mask_is_resampled_to_the_nearest_voxel() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((4, 5, 6)) > 0.5
    here = Geometry.from_spacing((4, 5, 6), (2.0, 2.0, 2.0))
    affine = np.eye(4)
    affine[:3, 3] = -0.5
    fine = Geometry((8, 10, 12), affine)
    np.testing.assert_array_equal(resample_mask(mask, here, fine), mask.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    np.testing.assert_array_equal(resample_mask(mask, here, here), mask)
    labels = np.stack([mask * 3, mask * 7]).astype(np.uint8)
    assert resample_mask(labels, here, fine).shape == (2, 8, 10, 12)
    with pytest.raises(GeometryError):
        resample_mask(mask, here, Geometry.from_spacing((4, 5, 6), (1.0, 1.0, 1.0), unit="pixel"))


def test_what_lies_outside_the_mask_is_zero() -> None:
    here = Geometry.from_spacing((2, 2, 2), (1.0, 1.0, 1.0))
    affine = np.eye(4)
    affine[0, 3] = 1.0
    moved = resample_mask(np.ones((2, 2, 2), dtype=bool), here, Geometry((2, 2, 2), affine))
    assert moved[0].all()
    assert not moved[1].any()


def test_a_thick_slice_reaches_half_its_thickness_to_both_sides() -> None:
    affine = np.diag([5.0, 1.0, 1.0, 1.0])
    affine[0, 3] = 4.0
    thick = Volume(np.full((1, 1, 4, 4), 7.0, np.float32), Geometry((1, 4, 4), affine))
    thin = Volume.from_array(np.ones((9, 4, 4)), (1.0, 1.0, 1.0))
    moved = resample_volume(thick, thin).data[0, :, 2, 2]
    np.testing.assert_array_equal(moved, [0, 0, 7, 7, 7, 7, 7, 0, 0])
