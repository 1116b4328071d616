from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

import napari_gmmseg
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.supervised import learner
from napari_gmmseg.io.trained_models import read_model

from .conftest import Outcome, save

Run = Callable[..., Outcome]
QUICK = ("--epochs", 2, "--test-share", 0, "--decoder-width", 8, "--threads", 1)


def scan(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A head of 24 x 20 x 4 voxels with a bright lesion in two slices."""
    rng = np.random.default_rng(seed)
    image, labels = rng.normal(0, 4, (24, 20, 4)), np.zeros((24, 20, 4), np.uint8)
    image[3:21, 3:17] += 100
    y, x = rng.integers(6, 12, 2)
    labels[y : y + 6, x : x + 4, 1:3] = 1
    return (image + 60 * labels).clip(0).astype(np.int16), labels


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A list of four cases."""
    rows = ["case,flair,label,RNASeqCluster,death01"]
    for seed in range(4):
        image, labels = scan(seed)
        save(tmp_path / f"{seed}_flair.nii.gz", image)
        save(tmp_path / f"{seed}_seg.nii.gz", labels)
        rows.append(f"p{seed},{seed}_flair.nii.gz,{seed}_seg.nii.gz,{seed % 2 + 1},{seed % 2}")
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_labelled_cases_give_a_model_that_predicts_on_the_grid_of_the_file(run: Run, cases: Path, tmp_path: Path):
    model = tmp_path / "m.safetensors"
    told = run("train", cases, "-o", model, *QUICK, "--json")
    assert told.code == 0, told.err
    assert told.data["model"] == str(model)
    assert set(told.data["scores"]) == {"validation"}
    assert len(told.data["history"]) == 2
    assert (tmp_path / "m.md").read_text(encoding="utf-8").startswith("# m\n")
    assert not (tmp_path / "m.unfinished.safetensors").exists()
    assert read_model(model).attributes["kinds"] == [["RNASeqCluster", ["1", "2"]]]
    image, mask = tmp_path / "1_flair.nii.gz", tmp_path / "mask.nii.gz"
    maps = ("--probabilities", tmp_path / "p.nii.gz", "--uncertainty", tmp_path / "u.nii.gz")
    done = run("predict", image, "--model", model, "-o", mask, "--attribute", "RNASeqCluster=2", *maps, "--json")
    assert done.code == 0, done.err
    assert done.data["method"] == "trained"
    assert set(done.data["files"]) == {"mask", "probabilities", "uncertainty"}
    written = nibabel.load(mask)
    np.testing.assert_array_equal(written.affine, nibabel.load(image).affine)
    assert set(np.unique(np.asarray(written.dataobj))) <= {0, 1}
    assert nibabel.load(tmp_path / "p.nii.gz").shape == (24, 20, 4, 2)
    assert [c["name"] for c in done.data["classes"]] == ["Class 1"]


def test_patience_may_be_without_end(run: Run, cases: Path, tmp_path: Path):
    told = run("train", cases, "-o", tmp_path / "m.safetensors", *QUICK, "--patience", "none", "--json")
    assert told.code == 0, told.err
    assert read_model(tmp_path / "m.safetensors").settings["patience"] is None


def test_a_folder_of_slices_is_learnt_from(run: Run, tmp_path: Path):
    for seed in range(3):
        name = f"TCGA_AA_000{seed}_20010101"
        (tmp_path / "lgg" / name).mkdir(parents=True)
        image, labels = scan(seed)
        for z in range(4):
            grey = image[:, :, z].clip(0, 255).astype(np.uint8)
            tifffile.imwrite(tmp_path / "lgg" / name / f"{name}_{z + 1}.tif", np.stack([grey] * 3, -1))
            tifffile.imwrite(tmp_path / "lgg" / name / f"{name}_{z + 1}_mask.tif", labels[:, :, z] * 255)
    told = run("train", tmp_path / "lgg", "-o", tmp_path / "m.safetensors", *QUICK, "--slices", 3)
    assert told.code == 0, told.err
    assert "Warning: 3 patients are not in data.csv" in told.out.replace("\n", " ")
    assert "validation" in told.out
    assert read_model(tmp_path / "m.safetensors").channels == ("t1", "flair", "t1gd")


def test_a_training_that_is_interrupted_keeps_its_last_epoch_and_is_gone_on_with(
    run: Run, cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole, model = tmp_path / "whole.safetensors", tmp_path / "m.safetensors"
    assert run("train", cases, "-o", whole, *QUICK).code == 0
    step, done = learner.Learner._step, []

    def interrupted(self: learner.Learner, *arguments: object) -> object:
        done.append(self.steps)
        if len(self.history) == 1:
            raise KeyboardInterrupt
        return step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(learner.Learner, "_step", interrupted)
    told = run("train", cases, "-o", model, *QUICK)
    assert told.code == 130
    assert "Kept:" in told.err
    assert "m.unfinished.safetensors" in told.err
    assert not model.exists()
    monkeypatch.undo()
    again = run("train", cases, "-o", model, *QUICK)
    assert again.code == 2
    assert "--resume" in again.err
    assert run("train", cases, "-o", model, *QUICK, "--resume", "--seed", 3).code == 2
    assert run("train", cases, "-o", model, *QUICK, "--resume").code == 0
    first, second = read_model(whole), read_model(model)
    assert first.history == second.history
    assert all(np.array_equal(array, second.arrays[name]) for name, array in first.arrays.items())
    assert not (tmp_path / "m.unfinished.safetensors").exists()


def test_a_page_that_is_no_card_is_never_written_over(run: Run, cases: Path, tmp_path: Path):
    page = tmp_path / "readme.md"
    page.write_text("# My notes\n", encoding="utf-8")
    told = run("train", cases, "-o", tmp_path / "readme.safetensors", *QUICK)
    assert told.code == 2
    assert "no card of a model" in told.err
    assert page.read_text(encoding="utf-8") == "# My notes\n"
    assert not (tmp_path / "readme.safetensors").exists()


def test_what_a_person_wrote_of_licences_outlasts_the_next_training(run: Run, cases: Path, tmp_path: Path):
    model, card = tmp_path / "m.safetensors", tmp_path / "m.md"
    assert run("train", cases, "-o", model, *QUICK).code == 0
    first = card.read_text(encoding="utf-8")
    licence = "CC BY 4.0.\n\nThe ethics board agreed."
    card.write_text(first.replace("Those of the data hold for this network, too", licence), encoding="utf-8")
    assert run("train", cases, "-o", model, *QUICK, "--seed", 3).code == 0
    second = card.read_text(encoding="utf-8")
    assert f"## Licence and consent\n\n{licence}: write them here" in second
    assert "| seed | 3 |" in second


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Add -o MODEL.safetensors"),
        (("-o", "{folder}/m.pt"), "does not end in .safetensors"),
        (("-o", "{folder}/m.safetensors", "--attributes", "death01"), "what became of the patient"),
        (("-o", "{folder}/m.safetensors", "--attributes", "height"), "height"),
        (("-o", "{folder}/m.safetensors", "--encoder-weights", "{cases}", "--encoder", "resnet18"), "cases.csv"),
        (("-o", "{folder}/m.safetensors", "--resume"), "no unfinished training"),
        (("-o", "{folder}/m.safetensors", "--epochs", "0"), "epochs"),
        (("-o", "{folder}/m.safetensors", "--outlier-inner", "8"), "odd ones"),
        (("-o", "{folder}/m.safetensors", "--validation-share", "0.7", "--test-share", "0.3"), "Leave some"),
    ],
    ids=["output", "suffix", "outcome", "unknown", "weights", "resume", "epochs", "windows", "shares"],
)
def test_a_mistake_in_a_training_is_told_with_a_hint_and_nothing_is_written(
    run: Run, cases: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
):
    before = set(tmp_path.iterdir())
    outcome = run("train", cases, *[part.format(folder=tmp_path, cases=cases) for part in arguments])
    assert outcome.code == 2
    assert words in outcome.err
    assert "Hint:" in outcome.err
    assert set(tmp_path.iterdir()) == before


def test_a_mistake_in_a_prediction_is_told_with_a_hint(run: Run, cases: Path, tmp_path: Path):
    image, model = tmp_path / "0_flair.nii.gz", tmp_path / "m.safetensors"
    assert run("train", cases, "-o", model, *QUICK).code == 0
    mask = ("-o", tmp_path / "mask.nii.gz")
    for arguments, words in (
        (mask, "--model M.safetensors"),
        (("--model", model), "-o M.nii.gz"),
        (("--model", model, *mask, "--attribute", "age"), "--attribute age=45"),
        (("--model", image, *mask), "cannot be read as a model"),
        (("--model", model, "-o", model), "safetensors"),
        (("--model", model, *mask, "--t1", tmp_path / "1_flair.nii.gz"), "takes 1 channels"),
        (("--model", model, *mask, "--contrast", "t1"), "'t1' in place of 'flair'"),
    ):
        told = run("predict", image, *arguments)
        assert told.code == 2, arguments
        assert words in told.err
        assert "Hint:" in told.err
    assert not (tmp_path / "mask.nii.gz").exists()


def test_weights_for_the_small_encoder_are_refused(cases: Path, tmp_path: Path):
    model = tmp_path / "m.safetensors"
    napari_gmmseg.train(cases, model, epochs=1, test_share=0.0, threads=1, decoder_width=8)
    with pytest.raises(SettingsError, match="encoder small"):
        napari_gmmseg.train(cases, tmp_path / "n.safetensors", encoder_weights=model)
    result = napari_gmmseg.predict(model, tmp_path / "0_flair.nii.gz")
    assert {finding.code for finding in result.findings} == {"missing-attributes"}
