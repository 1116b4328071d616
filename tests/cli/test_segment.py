from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_gmmseg.config import PRESETS, FitConfig

from .conftest import MEANS, Outcome, intensities, save, tissues

Run = Callable[..., Outcome]


def labels_of(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


@pytest.mark.parametrize("method", ["auto", "gmm", "svgmm", "spatial", "blindspot"])
def test_one_file_gives_a_mask_with_the_tissues_by_number(run: Run, t1: Path, tmp_path: Path, method: str) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "mask.nii.gz", "--method", method)
    assert outcome.code == 0, outcome.err
    found = labels_of(tmp_path / "mask.nii.gz")
    assert found.dtype == np.uint8
    assert (found == tissues()).mean() > 0.97
    for name in ("Cerebrospinal fluid", "Grey matter", "White matter", "Saved, read back and compared"):
        assert name in outcome.out


def test_names_and_colours_stand_beside_the_mask(run: Run, t1: Path, tmp_path: Path) -> None:
    run("segment", t1, "-o", tmp_path / "mask.nii.gz", "--method", "gmm")
    table = next(tmp_path.glob("mask*.tsv")).read_text()
    assert [line.split("\t")[0] for line in table.splitlines()[1:]] == ["0", "1", "2", "3"]
    assert "White matter" in table
    assert list(tmp_path.glob("mask*.txt"))


def test_probabilities_and_uncertainty_fit_the_mask(run: Run, t1: Path, tmp_path: Path) -> None:
    p, u = tmp_path / "p.nii.gz", tmp_path / "u.nii.gz"
    run("segment", t1, "-o", tmp_path / "m.nii.gz", "--probabilities", p, "--uncertainty", u, "--method", "gmm")
    mask, probabilities, uncertainty = (labels_of(path) for path in (tmp_path / "m.nii.gz", p, u))
    assert probabilities.shape == (*mask.shape, 3)
    inside = mask > 0
    np.testing.assert_allclose(probabilities.sum(-1)[inside], 1, atol=1e-5)
    assert not probabilities[~inside].any()
    np.testing.assert_array_equal(probabilities.argmax(-1)[inside] + 1, mask[inside])
    np.testing.assert_allclose(uncertainty[inside], 1 - probabilities.max(-1)[inside], atol=1e-6)


@pytest.mark.parametrize(("method", "basis"), [("spatial", "mixed voxels"), ("gmm", "posterior")])
def test_fractions_are_written_and_sum_to_the_soft_volumes(
    run: Run, t1: Path, tmp_path: Path, method: str, basis: str
) -> None:
    m, f, p = tmp_path / "m.nii.gz", tmp_path / "f.nii.gz", tmp_path / "p.nii.gz"
    outcome = run("segment", t1, "-o", m, "--fractions-out", f, "--probabilities", p, "--method", method, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.data["fraction_basis"] == basis
    assert outcome.data["files"]["fractions"] == str(f)
    mask, fractions, probabilities = (labels_of(path) for path in (m, f, p))
    assert nibabel.load(f).shape == (*mask.shape, 3)
    np.testing.assert_allclose(nibabel.load(f).affine, nibabel.load(t1).affine)
    np.testing.assert_allclose(fractions.sum(-1), mask > 0, atol=1e-5)
    assert (basis == "posterior") == np.array_equal(fractions, probabilities)
    soft = [entry["volume_ml_soft"] for entry in outcome.data["classes"]]
    np.testing.assert_allclose(soft, fractions.reshape(-1, 3).sum(axis=0, dtype=float) * 3e-3, rtol=1e-4)
    assert soft != [entry["volume_ml_hard"] for entry in outcome.data["classes"]]


def test_the_table_says_which_volume_is_hard_and_which_soft(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--method", "spatial")
    assert "Hard [ml]" in outcome.out
    assert "Soft [ml]" in outcome.out
    assert "Hard: voxels of the mask; soft: sum of each voxel's share of the tissue" in outcome.out


def test_volumes_of_a_series_are_those_of_a_frame(run: Run, tmp_path: Path) -> None:
    frames = np.stack([intensities(tissues(), seed) for seed in range(3)], axis=-1)
    series = save(tmp_path / "cine.nii.gz", frames, np.diag([1.5, 1.0, 2.0, 1.0]))
    outcome = run(
        "segment",
        series,
        "-o",
        tmp_path / "m.nii.gz",
        "--axis4",
        "time",
        "--method",
        "gmm",
        "--preset",
        "custom",
        "--json",
    )
    assert outcome.code == 0, outcome.err
    for entry in outcome.data["classes"]:
        assert entry["volume_ml_hard"] == pytest.approx(entry["voxels"] * 3e-3 / 3)
        assert entry["volume_ml_soft"] == pytest.approx(entry["volume_ml_hard"], rel=0.1)


def test_json_is_the_only_thing_on_standard_output(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "mask.nii.gz", "--json", "--method", "gmm")
    assert outcome.data["n_classes"] == 3
    gm = outcome.data["classes"][1]
    mask = labels_of(tmp_path / "mask.nii.gz")
    assert (gm["value"], gm["abbreviation"], gm["voxels"]) == (2, "GM", (mask == 2).sum())
    assert gm["volume_ml_hard"] == pytest.approx((mask == 2).sum() * 3.0 / 1000)
    assert gm["means"]["t1"] == pytest.approx(MEANS[1], abs=4)
    assert sum(c["share"] for c in outcome.data["classes"]) == pytest.approx(1)
    assert outcome.data["files"] == {"mask": str(tmp_path / "mask.nii.gz")}
    assert 0 < outcome.data["predicted_memory_mb"] < 1000
    assert "step" in outcome.err


def test_named_files_are_channels_of_their_contrast(run: Run, t1: Path, flair: Path, tmp_path: Path) -> None:
    outcome = run("segment", "--flair", flair, "--t1", t1, "-o", tmp_path / "mask.nii.gz", "--json")
    assert outcome.code == 0, outcome.err
    assert set(outcome.data["classes"][0]["means"]) == {"t1", "flair"}
    assert (labels_of(tmp_path / "mask.nii.gz") == tissues()).mean() > 0.97


def test_positional_and_named_files_go_together(run: Run, t1: Path, flair: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "--flair", flair, "-o", tmp_path / "mask.nii.gz", "--json", "--method", "gmm")
    assert list(outcome.data["classes"][0]["means"]) == ["t1", "flair"]


@pytest.mark.parametrize(("contrast", "means"), [("t2", (160.0, 100.0, 40.0)), ("flair", (30.0, 150.0, 90.0))])
def test_tissue_is_named_by_the_contrast_told(
    run: Run, tmp_path: Path, contrast: str, means: tuple[float, ...]
) -> None:
    image = save(tmp_path / "image.nii.gz", intensities(tissues(), 0, means))
    outcome = run("segment", image, "-o", tmp_path / "mask.nii.gz", "--contrast", contrast, "--method", "gmm")
    assert outcome.code == 0, outcome.err
    assert (labels_of(tmp_path / "mask.nii.gz") == tissues()).mean() > 0.97


def test_a_mask_file_limits_what_is_labelled(run: Run, t1: Path, tmp_path: Path) -> None:
    inside = tissues() >= 2
    mask = save(tmp_path / "brain.nii.gz", inside.astype(np.uint8))
    run("segment", t1, "-o", tmp_path / "m.nii.gz", "--mask", mask, "--classes", 2, "--method", "gmm")
    np.testing.assert_array_equal(labels_of(tmp_path / "m.nii.gz") > 0, inside)


def test_a_skull_stripped_image_serves_as_a_mask(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--mask", t1, "--method", "gmm")
    assert outcome.code == 0, outcome.err
    np.testing.assert_array_equal(labels_of(tmp_path / "m.nii.gz") > 0, tissues() > 0)


def test_a_mask_on_another_grid_is_resampled_on_request(run: Run, t1: Path, tmp_path: Path) -> None:
    mask = save(tmp_path / "brain.nii.gz", np.ones((8, 10, 8), np.uint8), np.diag([1.5, 1.0, 2.0, 1.0]))
    arguments = ("segment", t1, "-o", tmp_path / "m.nii.gz", "--mask", mask, "--method", "gmm", "--classes", 2)
    assert run(*arguments).code == 2
    outcome = run(*arguments, "--resample")
    assert outcome.code == 0, outcome.err
    found = labels_of(tmp_path / "m.nii.gz") > 0
    assert found[:8, :10, :8].all()
    assert not found[9:].any()


def test_mask_none_labels_every_voxel(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--mask", "none", "--classes", 4, "--method", "gmm")
    assert outcome.code == 0, outcome.err
    assert (labels_of(tmp_path / "m.nii.gz") > 0).all()


def test_scalp_and_skull_are_warned_of_and_not_named_as_tissue(run: Run, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 3, tissues().shape)
    head = save(tmp_path / "head.nii.gz", np.abs(intensities(tissues()) + noise).astype(np.float32) + 1)
    outcome = run("segment", head, "-o", tmp_path / "mask.nii.gz", "--json", "--method", "gmm")
    assert [f["code"] for f in outcome.data["findings"]].count("scalp-and-skull") == 1
    assert [c["name"] for c in outcome.data["classes"]] == ["Class 1", "Class 2", "Class 3"]


def test_warnings_are_shown_to_a_person(run: Run, tmp_path: Path) -> None:
    data = intensities(tissues()).astype(np.float32)
    data[12, 10, 8] = np.nan
    image = save(tmp_path / "t1.nii.gz", data)
    outcome = run("segment", image, "-o", tmp_path / "mask.nii.gz", "--method", "gmm")
    assert outcome.code == 0
    assert "Warning:" in outcome.out


@pytest.mark.parametrize("way", ["region", "mask", "box", "disc"])
def test_the_heart_is_labelled_inside_its_region(run: Run, t1: Path, tmp_path: Path, way: str) -> None:
    region = save(tmp_path / "lv.nii.gz", (tissues() >= 2).astype(np.uint8))
    told = {
        "region": ("--region", region),
        "mask": ("--mask", region),
        "box": ("--box", 4, 4, 6, 12, 16, 18),
        "disc": ("--disc", 10, 12, 5),
    }[way]
    output = tmp_path / "mask.nii.gz"
    outcome = run("segment", t1, "-o", output, "--preset", "cardiac", *told, "--method", "gmm", "--json")
    assert outcome.code == 0, outcome.err
    found = labels_of(output) > 0
    if way in ("region", "mask"):
        np.testing.assert_array_equal(found, tissues() >= 2)
    elif way == "box":
        expected = np.zeros_like(found)
        expected[6:18, 4:16, 4:12] = True
        np.testing.assert_array_equal(found, expected)
    else:
        x, y, _ = np.nonzero(found)
        assert ((y - 10) ** 2 + (x - 12) ** 2).max() <= 25
        assert found.any()


def test_a_picture_is_counted_in_voxels_until_its_spacing_is_told(run: Run, tmp_path: Path) -> None:
    from skimage.io import imsave

    picture = tmp_path / "slice.png"
    imsave(picture, intensities(tissues())[:, :, 8].clip(0, 255).astype(np.uint8), check_contrast=False)
    plain = run("segment", picture, "-o", tmp_path / "a.png", "--json", "--method", "gmm")
    assert plain.code == 0, plain.err
    assert plain.data["classes"][0]["volume_ml_soft"] is None
    spaced = run("segment", picture, "-o", tmp_path / "b.png", "--json", "--method", "gmm", "--spacing", 2, 3)
    assert spaced.code == 0, spaced.err
    csf = spaced.data["classes"][0]
    assert csf["volume_ml_hard"] == pytest.approx(csf["voxels"] * 6 / 1000)


def test_channels_on_two_grids_are_resampled_on_request_only(run: Run, t1: Path, tmp_path: Path) -> None:
    coarse = save(
        tmp_path / "flair.nii.gz",
        intensities(tissues(), 1, (30.0, 150.0, 100.0))[::2, ::2, ::2],
        np.diag([3.0, 2.0, 4.0, 1.0]),
    )
    output = tmp_path / "mask.nii.gz"
    refused = run("segment", "--t1", t1, "--flair", coarse, "-o", output)
    assert refused.code == 2
    assert "24" in refused.err
    assert "12" in refused.err
    assert not output.exists()
    allowed = run("segment", "--t1", t1, "--flair", coarse, "-o", output, "--resample", "--json")
    assert allowed.code == 0, allowed.err
    assert labels_of(output).shape == tissues().shape


def test_the_same_seed_gives_the_same_bits(run: Run, t1: Path, tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii", "c.nii"):
        run("segment", t1, "-o", tmp_path / name, "--seed", 7)
    first = (tmp_path / "a.nii").read_bytes()
    assert (tmp_path / "b.nii").read_bytes() == first
    assert (tmp_path / "c.nii").read_bytes() == first


def test_every_preset_can_be_chosen_and_every_default_is_the_settings_own() -> None:
    from typing import get_args, get_type_hints

    from napari_gmmseg.cli.segment import Segment

    hints = get_type_hints(Segment)
    assert set(get_args(get_args(hints["preset"])[0])) == set(PRESETS)
    told = Segment().settings()
    # The number of classes is the preset's, which the settings do not know.
    assert told.pop("n_classes") is None
    defaults = vars(FitConfig())
    assert len(told.keys() & defaults) > 20
    for name in told.keys() & defaults:
        assert told[name] == defaults[name], name


def test_every_setting_of_the_fit_but_four_has_a_flag() -> None:
    from napari_gmmseg.cli.segment import Segment

    without = {"gaussians_per_class", "initialisation", "initial_means", "n_starts"}
    assert set(vars(FitConfig())) - Segment().settings().keys() == without


def test_help_tells_what_the_settings_tell(run: Run) -> None:
    outcome = run("segment", "--help")
    assert outcome.code == 0
    text = " ".join(outcome.out.replace("│", " ").split())
    assert "Same seed, same mask." in text
    assert "≥ 2, ≤ 16" in text


@pytest.mark.parametrize(
    "names", [("m.img", "--probabilities", "m.hdr"), ("brain.img", "--mask", "brain.hdr")], ids=["result", "mask"]
)
def test_a_pair_is_not_written_over_by_way_of_its_other_half(
    run: Run, t1: Path, tmp_path: Path, names: tuple[str, str, str]
) -> None:
    nibabel.save(nibabel.Nifti1Pair(tissues().astype(np.uint8), nibabel.load(t1).affine), tmp_path / "brain.img")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    told = run("segment", t1, "-o", tmp_path / names[0], names[1], tmp_path / names[2])
    assert told.code == 2
    assert "Hint" in told.err
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_format_that_cannot_hold_the_result_is_told_before_the_fit(run: Run, t1: Path, tmp_path: Path) -> None:
    told = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--uncertainty", tmp_path / "u.png")
    assert told.code == 2
    assert "step" not in told.err
    assert not (tmp_path / "m.nii.gz").exists()


def test_a_soft_mask_is_said_to_be_cut(run: Run, t1: Path, tmp_path: Path) -> None:
    soft = save(tmp_path / "soft.nii.gz", (tissues() / 3).astype(np.float32))
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--mask", soft, "--method", "gmm", "--classes", 2)
    assert outcome.code == 0, outcome.err
    assert "Note: The mask soft.nii.gz holds fractions" in outcome.out
    assert "cut at 0.5" in outcome.out
    np.testing.assert_array_equal(labels_of(tmp_path / "m.nii.gz") > 0, tissues() >= 2)


def test_a_misspelt_word_for_the_mask_gets_the_words_that_there_are(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--mask", "atuo")
    assert outcome.code == 2
    assert "Hint: Give auto, none, deepbet, or the path" in outcome.err


@pytest.mark.parametrize(("flag", "value", "range_"), [("--classes", 1, "≥ 2, ≤ 16"), ("--beta", 99, "≥ 0, ≤ 5")])
def test_a_value_out_of_bounds_gets_its_range(
    run: Run, t1: Path, tmp_path: Path, flag: str, value: int, range_: str
) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", flag, value)
    assert outcome.code == 2
    assert range_ in outcome.err


def test_every_file_of_a_result_is_named(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--uncertainty", tmp_path / "u.mgz", "--method", "gmm")
    for path in {*tmp_path.iterdir()} - {t1}:
        assert f"→ {path}\n" in outcome.out


@pytest.mark.parametrize("flag", ["--output", "--probabilities", "--uncertainty"])
@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.txt", "nowhere/x.nii.gz"])
def test_no_target_that_will_not_do_waits_for_the_fit(run: Run, t1: Path, tmp_path: Path, flag: str, name: str) -> None:
    targets = {"--output": tmp_path / "m.nii.gz", flag: tmp_path / name}
    outcome = run("segment", t1, *(word for pair in targets.items() for word in pair))
    assert outcome.code == 2
    assert "step" not in outcome.err
    assert list(tmp_path.iterdir()) == [t1]
