"""Images larger than the memory that they may take: the same labels as in memory, slab by slab."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_gmmseg import api
from napari_gmmseg.errors import GeometryError, GmmsegError, InputError, OutputError, ResourceError
from napari_gmmseg.io.slabs import FileSlabs, open_slabs
from napari_gmmseg.preparation.coarse_mask import coarse_volume
from napari_gmmseg.volumes import FitReport, Segmentation, StreamedSegmentation

SHAPE = (40, 44, 36)
MEANS = (300.0, 6000.0, 9000.0, 14000.0)


@pytest.fixture(autouse=True)
def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs of a few layers, and every second voxel for the mask."""
    monkeypatch.setattr("napari_gmmseg.io.slabs.SLAB_VOXELS", 5 * 40 * 44)
    monkeypatch.setattr("napari_gmmseg.preparation.coarse_mask.MOST_VOXELS", 10_000)


def truth() -> np.ndarray:
    """Shells of three tissues, unlike themselves in every mirror, with a dark hole and a bright speck outside."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    radius = np.sqrt((grid**2).sum(0)) + 0.08 * grid[0] + 0.05 * grid[1] - 0.06 * grid[2]
    return np.select([radius < 0.45, radius < 0.7, radius < 0.85], [3, 2, 1], 0)


def image(background: str = "zero", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = truth()
    noisy = np.array(MEANS)[labels] + rng.normal(0, 500, SHAPE)
    if background == "zero":
        return np.where(labels > 0, np.maximum(noisy, 1), 0)
    # A hole in the middle, and a speck that hangs together with nothing.
    noisy[18:24, 20:26, 16:21] = 100
    noisy[1:5, 1:5, 1:5] = 12000
    return np.where(labels > 0, noisy, np.where(noisy > 5000, noisy, np.abs(rng.normal(0, 300, SHAPE))))


def saved(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    made = nibabel.Nifti1Image(data, np.diag([1.5, 1.0, 2.0, 1.0]) if affine is None else affine)
    made.header.set_xyzt_units("mm", "sec")
    nibabel.save(made, path)
    return path


def both(path: Path, tmp_path: Path, **settings: object) -> tuple[Segmentation, StreamedSegmentation, np.ndarray]:
    """Segment a file in memory and slab by slab; the mask of the latter as its file has it."""
    told = {"preset": "custom", "n_classes": 3, **settings}
    in_memory = api.segment(path, method="gmm", bias_field="off", **told)
    streamed = api.segment_to_file(path, tmp_path / "streamed.nii.gz", **told)
    return in_memory, streamed, np.asarray(nibabel.load(tmp_path / "streamed.nii.gz").dataobj)


def on_file(result: Segmentation) -> np.ndarray:
    source = result.label_map.source
    assert source is not None
    return source.to_source(result.label_map.labels)


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


@pytest.mark.parametrize("name", ["mask.mgz", "mask.nrrd", "mask.img"])
def test_formats_that_cannot_be_written_in_slabs_are_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    with pytest.raises(OutputError, match="slab by slab"):
        api.segment_to_file(path, tmp_path / name)


@pytest.mark.parametrize("settings", [{"method": "spatial"}, {"bias_field": "on"}, {"mask": "deepbet"}])
def test_what_needs_more_than_intensities_is_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    with pytest.raises(GmmsegError) as refused:
        api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="custom", **settings)
    assert refused.value.hint
    assert not (tmp_path / "mask.nii.gz").exists()


@pytest.mark.parametrize("settings", [{}, {"n_classes": 4}, {"n_classes": 4, "method": "svgmm"}])
def test_a_class_that_begins_with_what_is_bright_is_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    path = saved(tmp_path / "large_FLAIR.nii.gz", image().astype(np.uint16))
    with pytest.raises(GmmsegError, match="brighter than tissue") as refused:
        api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="glioma", **settings)
    assert "--preset custom" in refused.value.hint
    assert not (tmp_path / "mask.nii.gz").exists()


@pytest.mark.parametrize(
    ("name", "settings", "tissues"),
    [
        ("FLAIR", {"n_classes": 3}, True),
        ("FLAIR", {"n_classes": 4, "initial_means": ((1000.0,), (5000.0,), (9000.0,), (14000.0,))}, True),
        ("T1w", {}, True),
        ("FLAIR", {"n_classes": 2}, False),
    ],
)
def test_a_preset_with_bright_classes_is_streamed_where_none_is_looked_for(
    tmp_path: Path, name: str, settings: dict[str, object], tissues: bool
) -> None:
    path = saved(tmp_path / f"large_{name}.nii.gz", image().astype(np.uint16))
    streamed = api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="glioma", **settings)
    assert (streamed.table.label_map.classes[0].name == "Cerebrospinal fluid") == tissues


def test_memory_decides_whether_an_image_is_streamed(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    assert api.must_stream([path], method="gmm", memory_limit=0.002)
    assert not api.must_stream([path], method="gmm", memory_limit=0.1)
    assert not api.must_stream([path], method="gmm")


@pytest.mark.parametrize("method", ["spatial", "auto", "blindspot"])
def test_other_methods_say_what_they_would_need(tmp_path: Path, method: str) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    with pytest.raises(ResourceError, match=r"needs about \d+ MB of memory") as refused:
        api.must_stream([path], method=method, memory_limit=0.0005)
    assert "--method gmm" in refused.value.hint


def test_several_channels_are_not_streamed(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    with pytest.raises(ResourceError, match="needs about"):
        api.must_stream([path, path], method="gmm", memory_limit=0.001)


@pytest.mark.parametrize("method", ["gmm", "svgmm"])
def test_several_channels_that_may_fit_once_their_mask_is_known_are_read(tmp_path: Path, method: str) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    # Over the whole grid a fit would take four times that; one channel is streamed.
    assert api.must_stream([path], method=method, memory_limit=0.0011)
    assert not api.must_stream([path, path], method=method, memory_limit=0.0011)


@pytest.mark.parametrize(
    ("background", "kind", "settings", "passes"),
    [
        ("zero", np.uint16, {}, 2),
        ("zero", np.float32, {}, 3),
        ("zero", np.uint16, {"box": (1, 1, 1, 30, 30, 30)}, 3),
        ("zero", np.uint16, {"disc": (20, 20, 15)}, 3),
        ("air", np.uint16, {}, 3),
        ("air", np.float32, {}, 4),
    ],
)
def test_the_file_is_read_as_often_as_the_page_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    background: str,
    kind: type,
    settings: dict[str, object],
    passes: int,
) -> None:
    path = saved(tmp_path / "large.nii.gz", image(background).astype(kind))
    read: list[Path] = []
    before = FileSlabs.read

    def counted(self: FileSlabs) -> Iterator[tuple[slice, np.ndarray]]:
        read.append(self.path)
        return before(self)

    monkeypatch.setattr(FileSlabs, "read", counted)
    api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="custom", **settings)
    assert read.count(path) == passes
    # The mask is read back once, under the name that it has until then.
    assert len(read) == passes + 1
