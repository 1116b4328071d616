"""The deep mixtures on the command line, on images of a few thousand voxels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from .conftest import MEANS, Outcome, save, tissues

Run = Callable[..., Outcome]
#: Enough to see that it runs.
FEW = ("--steps", 4, "--warm-steps", 2, "--width", 4, "--depth", 2, "--threads", 1)


def labels_of(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


def brain(path: Path, noise: float) -> Path:
    clean = np.array([0.0, *MEANS])[tissues()]
    rough = np.maximum(clean + np.random.default_rng(1).normal(0, noise, clean.shape), 1)
    return save(path, np.where(tissues() > 0, rough, 0).astype(np.float32))


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """A T1-weighted brain in so much noise that a refinement pays."""
    return brain(tmp_path / "sub-02_T1w.nii.gz", 20)


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A T1-weighted brain in so little noise that there is nothing to refine."""
    return brain(tmp_path / "sub-03_T1w.nii.gz", 1)


@pytest.mark.parametrize("method", ["deepg", "deepsvg", "blindspot"])
def test_each_deep_method_gives_a_mask_and_tells_its_phases(run: Run, t1: Path, tmp_path: Path, method: str) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--method", method, *FEW, "--json")
    assert outcome.code == 0, outcome.err
    np.testing.assert_array_equal(labels_of(tmp_path / "m.nii.gz") > 0, tissues() > 0)
    assert outcome.data["method"] == method
    assert outcome.data["changes"] is None
    told = outcome.data["history"]
    assert told[0]["phase"] == "Spatial mixture"
    last = told[-1]
    assert last["step"] == outcome.data["steps"] == 6
    assert np.isfinite([last["log_likelihood"], last["seconds"], *last["terms"].values()]).all()
    assert {"loss", "learning rate"} <= set(last["terms"])


def test_blindspot_finds_the_tissues(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--method", "blindspot", "--threads", 1)
    assert outcome.code == 0, outcome.err
    assert (labels_of(tmp_path / "m.nii.gz") == tissues()).mean() > 0.97


@pytest.mark.parametrize("words", [("--preset-paper",), ("--recipe", "paper"), ("--preset-paper", "--recipe", "paper")])
def test_the_preset_of_the_paper_is_a_recipe(run: Run, t1: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    method = ("--method", "deepsvg", "--steps", 2, "--width", 4, "--depth", 2, "--threads", 1)
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", *method, *words, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.data["provenance"]["settings"]["recipe"] == "paper"
    # The paper starts from random weights: no spatial mixture comes first.
    assert {step["phase"] for step in outcome.data["history"]} == {"deepSVG"}
    assert outcome.data["steps"] <= 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--method deepsvg --preset-paper --recipe code", ["--preset-paper", "--recipe code", "Give one"]),
        ("--method deepsvg --preset-paper --recipe tuned", ["--recipe tuned"]),
        ("--preset-paper", ["'paper'", "auto", "Add --method deepsvg"]),
        ("--method blindspot --recipe code", ["no recipe 'code' for blindspot", "--method deepsvg"]),
        ("--method deepg --gradient detached", ["detached", "nothing is learnt", "--gradient full"]),
        ("--method deepsvg --mean-weight 1", ["detached", "--gradient full"]),
        ("--method blindspot --hidden-share 1", ["--hidden-share", "> 0, < 1"]),
        ("--method deepsvg --width 0", ["--width", "≥ 1, ≤ 128"]),
        ("--method deepsvg --view 4d", ["--view", "2.5d, 2d, 3d, auto"]),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    run: Run, t1: Path, tmp_path: Path, words: str, told: list[str]
) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", *words.split())
    assert outcome.code == 2
    assert [line.split(":")[0] for line in outcome.err.splitlines()] == ["Error", "Hint"], outcome.err
    for text in told:
        assert text in outcome.err
    assert not (tmp_path / "m.nii.gz").exists()


def test_the_prior_is_written_a_volume_a_class_on_the_grid_of_the_image(run: Run, t1: Path, tmp_path: Path) -> None:
    mask, prior, posterior = (tmp_path / name for name in ("m.nii.gz", "prior.nii.gz", "p.nii.gz"))
    maps = ("--prior", prior, "--probabilities", posterior)
    outcome = run("segment", t1, "-o", mask, "--method", "blindspot", *FEW, *maps)
    assert outcome.code == 0, outcome.err
    assert f"Saved, read back and compared: prior → {prior}" in outcome.out
    found = labels_of(prior)
    assert found.shape == (*tissues().shape, 3)
    np.testing.assert_allclose(nibabel.load(prior).affine, nibabel.load(t1).affine)
    inside = tissues() > 0
    np.testing.assert_allclose(found.sum(-1)[inside], 1, atol=1e-4)
    assert not found[~inside].any()
    # The posterior knows each voxel's own intensity, the prior does not.
    assert np.abs(found - labels_of(posterior)).max() > 0.05


@pytest.mark.parametrize(
    "words", ["--method gmm", "--method svgmm", "--method spatial", "--method deepg", "--no-refine"]
)
def test_a_prior_that_there_will_not_be_is_refused_before_the_fit(
    run: Run, t1: Path, tmp_path: Path, words: str
) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", *words.split(), "--prior", tmp_path / "prior.nii.gz")
    assert outcome.code == 2
    assert "step" not in outcome.err
    assert "--prior" in outcome.err.splitlines()[-2]
    assert "--method deepsvg or blindspot" in outcome.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == [t1]


def test_the_hint_to_a_prior_without_refinement_names_the_flag_that_forbids_it(
    run: Run, t1: Path, tmp_path: Path
) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--no-refine", "--prior", tmp_path / "p.nii.gz")
    assert outcome.err.splitlines()[-1].endswith("or leave --no-refine out.")


def test_where_auto_refines_nothing_the_mask_comes_with_a_note_and_without_a_prior(
    run: Run, clean: Path, tmp_path: Path
) -> None:
    outcome = run("segment", clean, "-o", tmp_path / "m.nii.gz", "--prior", tmp_path / "prior.nii.gz")
    assert outcome.code == 0, outcome.err
    assert "Note: No prior was written: the result is of the method spatial" in outcome.out
    assert "prior →" not in outcome.out
    assert (tmp_path / "m.nii.gz").exists()
    assert not (tmp_path / "prior.nii.gz").exists()


def test_what_a_refinement_changed_is_shown_with_the_switch_that_keeps_the_first(
    run: Run, noisy: Path, tmp_path: Path
) -> None:
    outcome = run("segment", noisy, "-o", tmp_path / "refined.nii.gz", *FEW)
    assert outcome.code == 0, outcome.err
    shown = " ".join(outcome.out.split())
    assert "What blindspot changed in the result of spatial" in shown
    for word in ("Before [ml, hard]", "After [ml, hard]", "Change [%]", "Voxels gained", "Voxels lost"):
        assert word in shown
    assert "changed their class. To keep them as they were: --no-refine" in shown


def test_what_a_refinement_changed_is_in_the_json_and_agrees_with_both_masks(
    run: Run, noisy: Path, tmp_path: Path
) -> None:
    kept, refined = tmp_path / "kept.nii.gz", tmp_path / "refined.nii.gz"
    first = run("segment", noisy, "-o", kept, "--no-refine", "--json", "--threads", 1)
    assert first.data["method"] == "spatial"
    assert first.data["changes"] is None
    outcome = run("segment", noisy, "-o", refined, *FEW, "--json", "--prior", tmp_path / "prior.nii.gz")
    assert outcome.data["method"] == "blindspot"
    assert outcome.data["files"]["prior"] == str(tmp_path / "prior.nii.gz")
    before, after = labels_of(kept), labels_of(refined)
    changes = outcome.data["changes"]
    assert changes["method_before"] == "spatial"
    assert changes["voxels_changed"] == (before != after).sum() > 0
    for entry in changes["classes"]:
        value = entry["value"]
        assert entry["voxels_before"] == (before == value).sum()
        assert entry["voxels_after"] == (after == value).sum()
        assert entry["volume_after_ml"] == pytest.approx(0.003 * entry["voxels_after"])
        assert entry["gained"] == ((after == value) & (before != value)).sum()
        assert entry["lost"] == ((before == value) & (after != value)).sum()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--method gmm --learning-rate 0.01 --view 3d", "gmm: learning_rate (--learning-rate), view (--view)"),
        ("--method spatial --recipe paper", "spatial: recipe (--recipe)"),
        ("--smoothness 2", "spatial: smoothness (--smoothness)"),
    ],
)
def test_settings_of_a_network_that_was_not_trained_are_noted(
    run: Run, clean: Path, tmp_path: Path, words: str, told: str
) -> None:
    outcome = run("segment", clean, "-o", tmp_path / "m.nii.gz", *words.split())
    assert outcome.code == 0, outcome.err
    assert f"Note: Without effect on the method {told}" in outcome.out


@pytest.mark.parametrize("words", ["--method gmm", "--no-refine", "--method spatial --no-refine"])
def test_nothing_is_noted_where_every_setting_was_heeded(run: Run, clean: Path, tmp_path: Path, words: str) -> None:
    assert "Without effect" not in run("segment", clean, "-o", tmp_path / "m.nii.gz", *words.split()).out


def test_the_same_seed_gives_the_same_bits_with_a_network(run: Run, clean: Path, tmp_path: Path) -> None:
    for name, seed in (("a.nii", 7), ("b.nii", 7), ("c.nii", 8)):
        prior = ("--prior", tmp_path / f"prior-{name}")
        run("segment", clean, "-o", tmp_path / name, "--method", "deepsvg", *FEW, "--seed", seed, *prior)
    first = (tmp_path / "prior-a.nii").read_bytes()
    assert (tmp_path / "prior-b.nii").read_bytes() == first
    assert (tmp_path / "prior-c.nii").read_bytes() != first
