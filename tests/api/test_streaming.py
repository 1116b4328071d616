"""Images larger than the memory that they may take: the same labels as in memory, slab by slab."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.api.large_images import SHAPE, both, image, on_file, saved, tiny_pieces, truth

from napari_gmmseg import api
from napari_gmmseg.errors import GeometryError, InputError, OutputError
from napari_gmmseg.io.slabs import open_slabs
from napari_gmmseg.preparation.coarse_mask import coarse_volume
from napari_gmmseg.volumes import FitReport


@pytest.fixture(autouse=True)
def in_tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_pieces(monkeypatch)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("background", ["zero", "air"])
@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.uint8])
def test_labels_are_those_of_the_same_fit_in_memory(tmp_path: Path, kind: type, background: str, suffix: str) -> None:
    data = image(background) / (60 if kind is np.uint8 else 1)
    path = saved(tmp_path / f"large{suffix}", np.rint(data).astype(kind))
    in_memory, streamed, mask = both(path, tmp_path)
    np.testing.assert_array_equal(mask, on_file(in_memory))
    assert streamed.counts() == in_memory.label_map.counts()
    assert streamed.n_voxels == in_memory.mask.sum()
    assert streamed.table.log_likelihood == pytest.approx(in_memory.log_likelihood, abs=1e-9)
    uncertain = in_memory.uncertainty[in_memory.mask].mean()
    assert streamed.mean_uncertainty == pytest.approx(uncertain, rel=1e-4)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, ">i2", ">f4"])
def test_numbers_of_any_kind_are_streamed(tmp_path: Path, kind: object) -> None:
    path = saved(tmp_path / "large.nii", image().astype(kind))
    in_memory, _, mask = both(path, tmp_path)
    assert (mask == on_file(in_memory)).mean() > 0.9999
    np.testing.assert_array_equal(mask > 0, on_file(in_memory) > 0)


def test_scaled_numbers_are_streamed_in_their_own_unit(tmp_path: Path) -> None:
    made = nibabel.Nifti1Image(image().astype(np.int16), np.eye(4))
    made.header.set_slope_inter(0.5, -20)
    nibabel.save(made, tmp_path / "scaled.nii.gz")
    in_memory, streamed, mask = both(tmp_path / "scaled.nii.gz", tmp_path)
    np.testing.assert_array_equal(mask, on_file(in_memory))
    np.testing.assert_allclose(streamed.table.mixture.means, in_memory.mixture.means, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8, np.uint16])
def test_the_background_of_a_scaled_file_is_left_out(tmp_path: Path, kind: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = image(seed=seed) * rng.uniform(0.001, 2)
    # A few negative numbers: zero is stored as some other number then.
    data[20, 20, 10:14] = -rng.uniform(1, 300, 4)
    made = nibabel.Nifti1Image(data, np.eye(4))
    made.set_data_dtype(kind)
    nibabel.save(made, tmp_path / "scaled.nii")
    assert nibabel.load(tmp_path / "scaled.nii").dataobj.inter != 0
    in_memory, streamed, mask = both(tmp_path / "scaled.nii", tmp_path)
    np.testing.assert_array_equal(mask > 0, on_file(in_memory) > 0)
    assert streamed.n_voxels == in_memory.mask.sum() < 0.5 * data.size


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_constant_background_that_float32_rounds_is_left_out(tmp_path: Path, kind: type) -> None:
    data = image()
    path = saved(tmp_path / "large.nii", np.where(data == 0, 0.1, data).astype(kind))
    in_memory, streamed, mask = both(path, tmp_path)
    np.testing.assert_array_equal(mask > 0, on_file(in_memory) > 0)
    assert streamed.n_voxels == (data != 0).sum()


@pytest.mark.parametrize(("order", "signs"), [*zip(permutations(range(3)), product((1, -1), repeat=3), strict=False)])
def test_every_orientation_comes_back_on_its_own_grid(
    tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag([1.5, 1.0, 2.0])[:, order] * signs
    affine[:3, 3] = (3, -4, 5)
    path = saved(tmp_path / "turned.nii.gz", image("air").astype(np.uint16), affine)
    in_memory, _, mask = both(path, tmp_path, box=(3, 2, 4, 20, 19, 21), disc=(12.0, 13.0, 9.0))
    np.testing.assert_array_equal(mask, on_file(in_memory))
    np.testing.assert_allclose(nibabel.load(tmp_path / "streamed.nii.gz").affine, affine)


@pytest.mark.parametrize("background", ["zero", "air"])
@pytest.mark.parametrize("shape", [(1, 44, 36), (40, 44, 1), (40, 1, 36), (2, 44, 36)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_thin_images_are_sampled_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], background: str, signs: tuple[int, ...]
) -> None:
    monkeypatch.setattr("napari_gmmseg.preparation.coarse_mask.MOST_VOXELS", 120)
    cut = image(background)[tuple(slice(18, 18 + n) if n < 3 else slice(n) for n in shape)]
    affine = np.diag([1.5 * signs[0], 1.0 * signs[1], 2.0 * signs[2], 1.0])
    path = saved(tmp_path / "thin.nii.gz", cut.astype(np.uint16), affine)
    in_memory, streamed, mask = both(path, tmp_path)
    assert streamed.table.provenance["streamed"]["mask_step"] > 3
    assert ((mask > 0) == (on_file(in_memory) > 0)).mean() > (0.9 if background == "air" else 0.9999)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("signs", [*product((1, -1), repeat=3)])
def test_sampled_voxels_keep_their_places(tmp_path: Path, step: int, signs: tuple[int, ...]) -> None:
    shape = (1, 9, 2)
    path = saved(tmp_path / "thin.nii", np.arange(18, dtype=np.int16).reshape(shape), np.diag([*signs, 1.0]))
    fine, coarse = api.read([path]), coarse_volume(open_slabs(path), step)
    for index in np.ndindex(coarse.data.shape[1:]):
        there = np.argwhere(fine.data[0] == coarse.data[0][index])[0]
        np.testing.assert_allclose(
            coarse.geometry.affine @ [*index, 1], fine.geometry.affine @ [*there, 1], err_msg=str(index)
        )


def test_the_spatially_variant_mixture_is_streamed_too(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    told = {"preset": "custom", "n_classes": 3, "method": "svgmm"}
    in_memory = api.segment(path, bias_field="off", **told)
    streamed = api.segment_to_file(path, tmp_path / "mask.nii.gz", **told)
    np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / "mask.nii.gz").dataobj), on_file(in_memory))
    assert streamed.table.method == "svgmm"


def test_a_mask_file_is_streamed_beside_the_image(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image("air").astype(np.uint16))
    given = truth() > 1
    in_memory, _, mask = both(path, tmp_path, mask=saved(tmp_path / "brain_mask.nii.gz", given.astype(np.uint8)))
    np.testing.assert_array_equal(mask, on_file(in_memory))
    assert not mask[~given].any()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, np.int16])
@pytest.mark.parametrize("holed", [False, True])
def test_a_map_of_fractions_is_cut_at_a_half_as_in_memory(tmp_path: Path, kind: type, holed: bool) -> None:
    path = saved(tmp_path / "large.nii.gz", image("air").astype(np.uint16))
    fractions = np.random.default_rng(3).uniform(0, 1, SHAPE)
    fractions[:, :, :8] = np.linspace(0, 1, 40)[:, np.newaxis, np.newaxis]
    if holed and np.dtype(kind).kind == "f":
        fractions[20, 20, 10:14] = (np.nan, np.inf, -np.inf, 1)
    made = nibabel.Nifti1Image(fractions, np.diag([1.5, 1.0, 2.0, 1.0]))
    made.set_data_dtype(kind)
    made.header.set_xyzt_units("mm", "sec")
    nibabel.save(made, tmp_path / "p_brain.nii.gz")
    in_memory, streamed, mask = both(path, tmp_path, mask=tmp_path / "p_brain.nii.gz")
    np.testing.assert_array_equal(mask, on_file(in_memory))
    notes = [
        [found for found in result.findings if found.code == "soft-mask-cut"] for result in (in_memory, streamed.table)
    ]
    assert notes[0] == notes[1]
    assert len(notes[1]) == 1


def test_a_mask_is_read_in_its_own_unit(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image("air").astype(np.uint16))
    # Outside is stored as 40, and inside as 0.
    stored = np.where(truth() > 1, 0, 40).astype(np.int16)
    made = nibabel.Nifti1Image(stored, np.diag([1.5, 1.0, 2.0, 1.0]))
    made.header.set_xyzt_units("mm", "sec")
    made.header.set_slope_inter(0.5, -20)
    nibabel.save(made, tmp_path / "brain_mask.nii.gz")
    in_memory, streamed, mask = both(path, tmp_path, mask=tmp_path / "brain_mask.nii.gz")
    np.testing.assert_array_equal(mask, on_file(in_memory))
    assert not mask[truth() <= 1].any()
    assert "soft-mask-cut" not in [found.code for found in streamed.table.findings]


def test_a_mask_with_fractions_and_larger_numbers_is_not_cut(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image("air").astype(np.uint16))
    brain = np.where(truth() > 1, 0.25, 0).astype(np.float32)
    brain[20, 20, 30] = 7
    in_memory, _, mask = both(path, tmp_path, mask=saved(tmp_path / "brain.nii.gz", brain))
    np.testing.assert_array_equal(mask, on_file(in_memory))
    assert mask[truth() > 1].all()


def test_a_mask_on_another_grid_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    moved = saved(tmp_path / "moved_mask.nii.gz", truth().astype(np.uint8), np.diag([2.0, 1.0, 2.0, 1.0]))
    with pytest.raises(GeometryError, match="another grid"):
        api.segment_to_file(path, tmp_path / "mask.nii.gz", mask=moved)


def test_voxels_that_are_no_number_are_left_out(tmp_path: Path) -> None:
    data = image().astype(np.float32)
    data[20, 20, 10:14] = np.nan
    data[20, 22, 18] = np.inf
    in_memory, streamed, mask = both(saved(tmp_path / "holed.nii", data), tmp_path)
    assert not mask[~np.isfinite(data)].any()
    np.testing.assert_array_equal(mask > 0, on_file(in_memory) > 0)
    assert "non-finite-voxels" in [finding.code for finding in streamed.table.findings]


def test_the_result_says_how_it_was_made(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image("air").astype(np.uint16))
    streamed = api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="custom")
    told = {finding.code: finding.message for finding in streamed.table.findings}
    assert "voxels 2 apart" in told["streamed"]
    assert "small-class" not in told
    assert streamed.table.provenance["streamed"]["slabs"] == 8
    assert (tmp_path / "mask_dseg.tsv").exists()
    assert (tmp_path / "mask_labels.txt").exists()


def test_a_small_class_is_doubted_by_its_voxels_and_not_by_its_intensities(tmp_path: Path) -> None:
    data = image().astype(np.uint16)
    data[18:22, 18:24, 14:19] = 60000
    streamed = api.segment_to_file(
        saved(tmp_path / "large.nii.gz", data), tmp_path / "m.nii.gz", preset="custom", n_classes=4
    )
    doubts = [finding for finding in streamed.table.findings if finding.code == "small-class"]
    assert [finding.message.split(" holds")[0] for finding in doubts] == ["Class 4"]


@pytest.mark.parametrize(
    "phase", ["Counting intensities", "Gaussian mixture", "Writing the mask", "Reading the mask back"]
)
def test_whatever_ends_it_early_leaves_no_file(tmp_path: Path, phase: str) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    folder = tmp_path / "out"
    folder.mkdir()

    def stop(report: FitReport) -> None:
        if report.phase == phase and report.step >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.segment_to_file(path, folder / "mask.nii.gz", preset="custom", progress=stop)
    assert not list(folder.iterdir())


def test_a_mask_that_reads_back_differently_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_gmmseg.io import slabs

    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    before = slabs.FileSlabs._layers

    def flipped(self: slabs.FileSlabs, file: object, n: int) -> np.ndarray:
        found = before(self, file, n)  # type: ignore[arg-type]
        return found ^ 1 if found.dtype == np.uint8 else found

    monkeypatch.setattr(slabs.FileSlabs, "_layers", flipped)
    with pytest.raises(OutputError, match="read back with other values"):
        api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="custom")
    assert [file.name for file in tmp_path.iterdir()] == ["large.nii.gz"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("left", [0.95, 0.5, 0.1])
@pytest.mark.parametrize("most", [10_000, 100])
def test_a_file_that_is_cut_off_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, left: float, most: int
) -> None:
    monkeypatch.setattr("napari_gmmseg.preparation.coarse_mask.MOST_VOXELS", most)
    path = saved(tmp_path / f"large{suffix}", image().astype(np.uint16))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(InputError, match="ends before its last voxel"):
        api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="custom")


def test_a_packed_file_with_damage_in_it_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    packed = bytearray(path.read_bytes())
    packed[len(packed) // 2 : len(packed) // 2 + 200] = b"\xff" * 200
    path.write_bytes(packed)
    with pytest.raises(InputError, match="or is damaged"):
        api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="custom")
