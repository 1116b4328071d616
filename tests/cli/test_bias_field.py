"""The bias field on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_gmmseg.io.sample import load_sample_labels, load_sample_maps

from .conftest import Outcome, save

Run = Callable[..., Outcome]
#: Voxels of 2 mm, turned so that the file's order is not the program's.
AFFINE = np.diag([-2.0, 2.0, 2.0, 1.0])


def head(shade: float) -> np.ndarray:
    """A head mixed from the sample's maps, (x, y, z); by so much brighter on the right and darker on the left."""
    truth = np.array(load_sample_labels("brain").labels)
    mixed = np.tensordot((40.0, 75.0, 100.0), load_sample_maps().data, axes=1) * (truth > 0)
    noisy = np.where(truth > 0, mixed + np.random.default_rng(0).normal(0, 3, truth.shape), 0)
    return (noisy * (1 + shade * np.linspace(-1, 1, truth.shape[2]))).T.astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("heads")
    save(made / "even.nii.gz", head(0.0), AFFINE)
    save(made / "shaded.nii.gz", head(0.3), AFFINE)
    save(made / "flair.nii.gz", head(-0.3)[::-1].copy(), AFFINE)
    return made


def test_a_shaded_head_is_corrected_and_its_field_written_on_the_grid(run: Run, folder: Path, tmp_path: Path) -> None:
    mask, field = tmp_path / "m.nii.gz", tmp_path / "f.nii.gz"
    outcome = run("segment", folder / "shaded.nii.gz", "-o", mask, "--method", "spatial", "--bias-field-out", field)
    assert outcome.code == 0, outcome.err
    assert "Note: A bias field of ±" in outcome.out
    assert f"Saved, read back and compared: bias_field → {field}" in outcome.out
    written, image = nibabel.load(field), nibabel.load(folder / "shaded.nii.gz")
    assert written.shape == image.shape
    np.testing.assert_allclose(written.affine, image.affine)
    inside = np.asanyarray(nibabel.load(mask).dataobj) > 0
    found = np.asanyarray(written.dataobj)
    true = np.broadcast_to((1 + 0.3 * np.linspace(-1, 1, image.shape[0]))[:, None, None], image.shape)
    assert np.corrcoef(found[inside], true[inside])[0, 1] > 0.95
    assert (found > 0).all()


def test_channels_have_a_volume_each(run: Run, folder: Path, tmp_path: Path) -> None:
    field = tmp_path / "f.nii.gz"
    files = ("--t1", folder / "shaded.nii.gz", "--flair", folder / "flair.nii.gz")
    outcome = run(
        "segment", *files, "-o", tmp_path / "m.nii", "--method", "gmm", "--bias-field", "on", "--bias-field-out", field
    )
    assert outcome.code == 0, outcome.err
    assert nibabel.load(field).shape == (*nibabel.load(folder / "flair.nii.gz").shape, 2)


def test_an_even_head_gets_a_note_and_no_file(run: Run, folder: Path, tmp_path: Path) -> None:
    field = tmp_path / "f.nii.gz"
    options = ("-o", tmp_path / "m.nii.gz", "--method", "gmm", "--bias-field-out", field)
    outcome = run("segment", folder / "even.nii.gz", *options)
    assert outcome.code == 0, outcome.err
    assert "Note: No bias field was written" in outcome.out
    assert not field.exists()
    assert (tmp_path / "m.nii.gz").exists()


def test_json_tells_the_field(run: Run, folder: Path, tmp_path: Path) -> None:
    options = ("-o", tmp_path / "m.nii.gz", "--method", "gmm", "--json")
    told = run("segment", folder / "shaded.nii.gz", *options).data["provenance"]
    assert told["settings"]["bias_field"] == "auto"
    assert 10 < told["bias_field"]["percent"][0] < 35
    without = run("segment", folder / "shaded.nii.gz", *options, "--bias-field", "off").data["provenance"]
    assert without["settings"]["bias_field"] == "off"
    assert without["bias_field"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--bias-field", "off", "--bias-field-out", "f.nii.gz"), "with --bias-field off there is none"),
        (("--bias-field", "perhaps"), "perhaps"),
        (("--bias-field-out", "f.nii.gz", "--scribbles", "s.nii.gz"), "an answer from scribbles corrects none"),
        (("--bias-field-out", "f.docx"), "f.docx"),
    ],
)
def test_what_cannot_be_is_refused_before_the_fit(
    run: Run, t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("segment", t1, "-o", "m.nii.gz", *words)
    assert outcome.code == 2
    assert told in outcome.err
    assert not (tmp_path / "m.nii.gz").exists()


def test_on_is_refused_where_the_image_is_no_product(run: Run, tmp_path: Path) -> None:
    low = save(tmp_path / "low.nii.gz", head(0.3) - 60, AFFINE)
    outcome = run(
        "segment", low, "-o", tmp_path / "m.nii.gz", "--method", "gmm", "--bias-field", "on", "--mask", "none"
    )
    assert outcome.code == 2
    assert "A bias field is a factor" in outcome.err
    assert "Hint: Use --bias-field off or auto." in outcome.err


def test_a_recorded_run_with_a_field_is_replayed_with_the_same_bits(run: Run, folder: Path, tmp_path: Path) -> None:
    session = tmp_path / "session"
    options = ("-o", tmp_path / "m.nii.gz", "--method", "spatial", "--threads", 1, "--session", session)
    assert run("segment", folder / "shaded.nii.gz", *options).code == 0
    field = tmp_path / "f.nii.gz"
    again = run("resume", session, "-o", tmp_path / "again.nii.gz", "--bias-field-out", field)
    assert again.code == 0, again.err
    assert field.exists()
    assert run("replay", session, "--verify").code == 0
