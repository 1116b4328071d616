from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

import napari_gmmseg
from napari_gmmseg.errors import InputError, OutputError, SettingsError
from napari_gmmseg.volumes import FitReport, Volume


def ball(shape: tuple[int, int, int] = (16, 18, 20)) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    radius = np.linalg.norm(grid, axis=0)
    return np.select([radius < 0.5, radius < 0.75, radius < 0.9], [3, 2, 1], 0)


def image(seed: int = 0) -> np.ndarray:
    labels = ball()
    noisy = np.array([0, 40, 100, 160])[labels] + np.random.default_rng(seed).normal(0, 5, labels.shape)
    return np.where(labels > 0, noisy, 0).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(image(), np.diag([1, 2, 3, 1.0])), tmp_path / "T1.nii.gz")
    return tmp_path / "T1.nii.gz"


def test_four_verbs_go_from_a_file_to_a_judged_mask(path: Path, tmp_path: Path) -> None:
    volume = napari_gmmseg.read(path)
    assert volume.geometry.spacing == pytest.approx((3, 2, 1))
    result = napari_gmmseg.segment(volume, method="gmm")
    written = napari_gmmseg.write(tmp_path / "mask.nii.gz", result, uncertainty=tmp_path / "u.nii.gz")
    assert written == (tmp_path / "mask.nii.gz", tmp_path / "u.nii.gz")
    again = napari_gmmseg.evaluate(tmp_path / "mask.nii.gz", result.label_map)
    assert again.mean_dice == 1.0


def test_a_path_can_be_segmented_at_once(path: Path) -> None:
    result = napari_gmmseg.segment(path, method="gmm")
    assert [c.abbreviation for c in result.label_map.classes] == ["CSF", "GM", "WM"]
    assert (result.label_map.labels == ball().T).mean() > 0.97


def test_an_array_in_memory_will_do(path: Path) -> None:
    result = napari_gmmseg.segment(Volume.from_array(image(), (1, 1, 1)), method="gmm", mask=ball() > 1, n_classes=2)
    np.testing.assert_array_equal(result.label_map.labels > 0, ball() > 1)


def test_progress_is_told_and_steps_are_bounded(path: Path) -> None:
    told: list[FitReport] = []
    result = napari_gmmseg.segment(path, method="gmm", progress=told.append, max_steps=3)
    assert told
    assert all(isinstance(report, FitReport) for report in told)
    assert result.steps <= 3


def test_box_and_disc_are_in_voxels_of_the_volume(path: Path) -> None:
    result = napari_gmmseg.segment(
        path, preset="custom", mask=None, box=(5, 4, 3, 15, 14, 13), disc=(9, 8, 4), n_classes=2
    )
    z, y, x = np.nonzero(result.label_map.labels)
    assert (z.min(), z.max()) == (5, 14)
    assert ((y - 9) ** 2 + (x - 8) ** 2).max() <= 16


def test_the_result_tells_how_to_do_it_again(path: Path) -> None:
    told = napari_gmmseg.segment(path, method="gmm", seed=3).provenance
    assert told["preset"] == "brain-t1"
    assert told["settings"]["seed"] == 3
    assert told["preparation"]["mask"] == "auto"
    assert told["centre"] == pytest.approx([image()[ball() > 0].mean()], rel=1e-4)
    assert told["scale"] == pytest.approx([image()[ball() > 0].std()], rel=1e-3)
    z, y, x = np.nonzero(ball().T)
    expected = [[int(a.min()), int(a.max()) + 1] for a in (z, y, x)]
    assert told["crop"] == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_classes": 1}, "n_classes"),
        ({"preset": "knee"}, "knee"),
        ({"method": "magic"}, "method"),
        ({"colour": 3}, "colour"),
        ({"max_steps": "many"}, "max_steps"),
        ({"disc": (1.0, 2.0, -1.0)}, "radius"),
    ],
)
def test_settings_that_will_not_do_are_told_by_name(path: Path, options: dict, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        napari_gmmseg.segment(path, **options)
    assert caught.value.hint


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(InputError, match="No file"):
        napari_gmmseg.read([])


FEW = {"max_steps": 3, "warm_steps": 2, "width": 4, "depth": 2, "threads": 1}


@pytest.mark.parametrize("method", ["deepg", "deepsvg", "blindspot"])
def test_settings_of_a_network_are_keywords_like_all_others(path: Path, method: str) -> None:
    told: list[FitReport] = []
    result = napari_gmmseg.segment(path, method=method, progress=told.append, **FEW)
    assert result.method == method
    assert result.steps == 5
    assert result.provenance["settings"]["width"] == 4
    assert len(result.history) == len(told)
    assert all(report.preview is None for report in result.history)


def test_a_prior_is_written_and_read_back_like_probabilities(path: Path, tmp_path: Path) -> None:
    result = napari_gmmseg.segment(path, method="blindspot", **FEW)
    maps = {"uncertainty": tmp_path / "u.nii.gz", "prior": tmp_path / "prior.nii.gz"}
    napari_gmmseg.api.check_writable(tmp_path / "mask.nii.gz", napari_gmmseg.read(path), **maps)
    written = napari_gmmseg.write(tmp_path / "mask.nii.gz", result, **maps)
    assert written == (tmp_path / "mask.nii.gz", *maps.values())
    assert result.prior is not None
    found = np.moveaxis(np.asarray(nibabel.load(tmp_path / "prior.nii.gz").dataobj), -1, 0)
    np.testing.assert_allclose(found, result.prior.transpose(0, 3, 2, 1), atol=1e-6)


def test_a_prior_that_there_is_not_is_refused_before_anything_is_written(path: Path, tmp_path: Path) -> None:
    result = napari_gmmseg.segment(path, method="gmm")
    with pytest.raises(SettingsError, match="no prior to write: the method gmm"):
        napari_gmmseg.write(tmp_path / "mask.nii.gz", result, prior=tmp_path / "prior.nii.gz")
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_cannot_hold_a_prior_is_refused(path: Path, tmp_path: Path) -> None:
    volume = napari_gmmseg.read(path)
    with pytest.raises(OutputError, match=r"prior\.png"):
        napari_gmmseg.api.check_writable(tmp_path / "mask.nii.gz", volume, prior=tmp_path / "prior.png")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "deepg", "gradient": "detached"}, "nothing is learnt"),
        ({"method": "blindspot", "recipe": "paper"}, "no recipe 'paper'"),
        ({"recipe": "paper"}, "auto chooses among others"),
        ({"method": "deepsvg", "mean_weight": 1.0}, "λ"),
        ({"hidden_share": 1.0}, "hidden_share"),
        ({"refine": "perhaps"}, "--no-refine"),
    ],
)
def test_settings_of_a_network_that_contradict_each_other_are_refused_before_preparing(
    options: dict, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object, **__: object) -> None:
        raise AssertionError("the image was prepared first")

    monkeypatch.setattr("napari_gmmseg.preparation.prepare_case", prepare)
    with pytest.raises(SettingsError, match=words) as caught:
        napari_gmmseg.segment(Volume.from_array(image(), (1, 1, 1)), **options)
    assert caught.value.hint


def test_a_recipe_without_a_network_is_noted_and_the_wish_for_none_is_not(path: Path) -> None:
    noted = napari_gmmseg.segment(path, recipe="paper", refine=False)
    assert [f.message for f in noted.findings if f.code == "settings-without-effect"] == [
        "Without effect on the method spatial: recipe (--recipe)."
    ]
    plain = napari_gmmseg.segment(path, refine=False)
    assert not [f for f in plain.findings if f.code == "settings-without-effect"]


def test_what_has_no_effect_on_a_network_is_noted_too(path: Path) -> None:
    noted = napari_gmmseg.segment(path, method="deepsvg", hidden_share=0.2, refine=False, **FEW)
    (found,) = [f for f in noted.findings if f.code == "settings-without-effect"]
    assert "hidden_share (--hidden-share), refine (--no-refine)" in found.message
