"""From a whole head to named tissues, and from what is no brain to numbered classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.preparation.heads import make_head, overlap

import napari_gmmseg as gs
from napari_gmmseg.cli import main
from napari_gmmseg.io.reading import read_channels
from napari_gmmseg.io.sample import sample_path

DATA = Path(__file__).parents[3] / "shared" / "data" / "spm12_avg152"


def test_tissues_of_a_whole_head_are_named_and_the_confidence_is_recorded() -> None:
    head = make_head()
    result = gs.segment(head.volume, method="gmm")
    assert [c.abbreviation for c in result.label_map.classes] == ["CSF", "GM", "WM"]
    assert result.provenance["brain_confidence"] > 0.9
    assert overlap(result.label_map.labels > 0, head.brain) > 0.93
    with_mask = gs.segment(head.volume, method="gmm", mask=head.brain)
    for value in (2, 3):
        assert overlap(result.label_map.labels == value, with_mask.label_map.labels == value) > 0.93


def test_a_heart_is_told_not_to_be_a_brain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = sample_path("heart_bssfp.nii.gz")
    code = main(["segment", str(image), "-o", str(tmp_path / "m.nii.gz"), "--preset", "brain-t1", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert not {"CSF", "GM", "WM"} & {entry["abbreviation"] for entry in told["classes"]}
    assert told["provenance"]["brain_confidence"] < 0.5
    assert any("none is credible" in finding["message"] for finding in told["findings"])


@pytest.mark.data
def test_without_a_mask_the_average_head_is_segmented_nearly_as_well_as_with_it() -> None:
    if not DATA.is_dir():
        pytest.skip("the real images beside the checkout (../shared/data) are not there")
    labels = DATA / "labels_tissue.nii.gz"
    (truth,) = read_channels(labels)
    mean = {}
    for mask in ("auto", labels):
        found = gs.segment(DATA / "avg152T1.nii", mask=mask, method="gmm").label_map.labels
        mean[mask] = np.mean([overlap(found == k, truth.data[0] == k) for k in (1, 2, 3)])
    assert mean["auto"] > mean[labels] - 0.05
