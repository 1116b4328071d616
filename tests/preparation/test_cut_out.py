"""A brain that another library cuts out."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from napari_gmmseg import api
from napari_gmmseg.config import PreparationConfig, find_preset
from napari_gmmseg.errors import MaskError, MissingLibraryError, SettingsError
from napari_gmmseg.networks import brain_extraction
from napari_gmmseg.networks.brain_extraction import extract_brain
from napari_gmmseg.preparation import Prepared, prepare
from napari_gmmseg.volumes import Volume

from .heads import make_head, overlap

CUT = PreparationConfig(mask="deepbet")
installed = pytest.mark.skipif(find_spec("deepbet") is None, reason="the extra [brain] is not installed")


@pytest.fixture(scope="module")
def head() -> Volume:
    return make_head().volume


def prepared(volume: Volume, found: np.ndarray) -> Prepared:
    return prepare(volume, CUT, preset=find_preset("brain-t1"), engine=lambda image: found)


@installed
def test_a_brain_is_cut_out_of_a_head(head: Volume) -> None:
    truth = make_head().brain
    found = extract_brain(head.data[0])
    assert overlap(found, truth) > 0.9
    np.testing.assert_array_equal(extract_brain(head.data[0]), found)


@installed
@pytest.mark.parametrize("value", [0.0, 7.0])
def test_an_image_of_nothing_holds_no_brain(value: float) -> None:
    assert not extract_brain(np.full((20, 24, 22), value, np.float32)).any()


@installed
def test_the_mask_is_a_word_of_the_api(head: Volume) -> None:
    result = api.segment(head, mask="deepbet", method="gmm", preset="brain-t1", threads=1)
    assert overlap(result.mask, make_head().brain) > 0.9
    (told,) = [finding for finding in result.findings if finding.code == "proposed-brain"]
    assert "deepbet" in told.message
    assert result.label_map.classes.values == (1, 2, 3)


def test_what_is_cut_out_is_what_is_fitted_and_tissues_have_names(head: Volume) -> None:
    brain = make_head().brain
    found = prepared(head, brain)
    np.testing.assert_array_equal(found.mask, brain)
    assert found.tissue_names
    assert found.brain_confidence is None
    assert f"{brain.sum() * head.geometry.voxel_volume_ml:.0f} ml" in found.findings[0].message


@pytest.mark.parametrize(("share", "words"), [(False, "it sees none"), (True, "at most 2400 ml")])
def test_what_cannot_be_a_brain_is_refused(head: Volume, share: bool, words: str) -> None:
    with pytest.raises(MaskError, match=words) as caught:
        prepared(head, np.full(head.grid_shape, share))
    assert "--mask auto" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["contrast", "time", "engine"])
def test_only_t1_volumes_are_cut(head: Volume, kind: str) -> None:
    engine = None if kind == "engine" else lambda image: np.ones(image.shape, bool)
    volume = head
    if kind == "contrast":
        volume = replace(head, channels=("flair",))
    elif kind == "time":
        volume = replace(head, data=np.repeat(head.data[:, None], 2, axis=1))
    with pytest.raises(SettingsError, match="T1-weighted volumes"):
        prepare(volume, CUT, preset=find_preset("brain-t1"), engine=engine)


def test_a_mask_beside_it_is_one_too_many(head: Volume) -> None:
    with pytest.raises(SettingsError, match="'deepbet'"):
        prepare(head, CUT, mask=np.ones(head.grid_shape, bool), preset=find_preset("brain-t1"))


def test_without_the_library_that_is_said(head: Volume, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(brain_extraction, "find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match="not installed") as caught:
        api.segment(head, mask="deepbet", method="gmm", preset="brain-t1")
    assert "napari-gmmseg[brain]" in (caught.value.hint or "")
