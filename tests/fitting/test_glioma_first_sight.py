"""A glioma without strokes and without a trained model: tissues, and what is bright without a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from napari_gmmseg import api
from napari_gmmseg.config import PRESETS
from napari_gmmseg.io import read_labels
from napari_gmmseg.io.sample import load_sample, load_sample_labels
from napari_gmmseg.volumes import Segmentation, Volume

ALL = ("t1", "t1gd", "t2", "flair")
TISSUES = ["Cerebrospinal fluid", "Grey matter", "White matter"]
FLAIR, T1GD = "Bright on FLAIR", "Bright on T1Gd"
OEDEMA, ENHANCING, NECROSIS = 4, 5, 6


def of_contrasts(volume: Volume, contrasts: Sequence[str]) -> Volume:
    chosen = [volume.channels.index(name) for name in contrasts]
    return replace(volume, data=volume.data[chosen], channels=tuple(contrasts))


@lru_cache(maxsize=8)
def phantom(*contrasts: str) -> Segmentation:
    return api.segment(of_contrasts(load_sample("glioma"), contrasts), preset="glioma", method="spatial", threads=1)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def names(result: Segmentation) -> list[str]:
    return [tissue.name for tissue in result.label_map.classes]


def codes(result: Segmentation) -> list[str]:
    return [finding.code for finding in result.findings]


def test_four_sequences_give_tissues_and_two_unnamed_classes() -> None:
    result, truth = phantom(*ALL), load_sample_labels("glioma").labels
    assert names(result) == [*TISSUES, FLAIR, T1GD]
    labels = result.label_map.labels
    assert dice(labels == 4, truth == OEDEMA) > 0.9
    assert dice(labels == 5, truth == ENHANCING) > 0.85
    assert dice(labels == 3, truth == 3) > 0.9
    note = next(finding for finding in result.findings if finding.code == "unnamed-classes")
    assert note.severity == "note"
    assert "missing-contrasts" not in codes(result)


@pytest.mark.parametrize(
    ("contrasts", "unnamed", "missing"),
    [
        (("t1", "t2", "flair"), [FLAIR], "T1Gd is not there"),
        (("t1", "t1gd", "t2"), [T1GD], "FLAIR is not there"),
        (("t1gd", "t2", "flair"), [FLAIR, T1GD], "T1 is not there"),
        (("t1", "flair"), [FLAIR], "T1Gd is not there"),
    ],
)
def test_a_missing_sequence_gives_fewer_unnamed_classes_and_is_told(contrasts, unnamed, missing) -> None:
    result, truth = phantom(*contrasts), load_sample_labels("glioma").labels
    assert names(result) == [*TISSUES, *unnamed]
    assert any(f.code == "missing-contrasts" and f.message.startswith(missing) for f in result.findings)
    labels = result.label_map.labels
    if FLAIR in unnamed:
        # Without T1Gd what enhances is bright on FLAIR, too.
        oedema = (truth == OEDEMA) | ((truth == ENHANCING) if T1GD not in unnamed else False)
        assert dice(labels == 4, oedema) > 0.85
    if T1GD in unnamed:
        assert dice(labels == 5, truth == ENHANCING) > 0.8


def test_without_flair_and_t1gd_both_are_told_missing_unless_three_classes_are_asked_for() -> None:
    result = phantom("t1", "t2")
    assert names(result) == TISSUES
    told = [finding.message.split(" is")[0] for finding in result.findings if finding.code == "missing-contrasts"]
    assert told == ["FLAIR", "T1Gd"]
    for contrasts in (("t1", "t2"), ALL):
        case = of_contrasts(load_sample("glioma"), contrasts)
        asked = api.segment(case, preset="glioma", method="spatial", n_classes=3, threads=1)
        assert names(asked) == TISSUES
        assert "missing-contrasts" not in codes(asked)


def test_no_class_is_ever_named_after_a_tumour() -> None:
    words = ("tumour", "oedema", "edema", "necro", "glioma", "enhancing", "core")
    for tissue in PRESETS["glioma"].classes or ():
        assert not any(word in f"{tissue.name} {tissue.role}".lower() for word in words)


def test_where_nothing_is_bright_the_unnamed_classes_are_small_and_doubted() -> None:
    case, truth = load_sample("glioma"), load_sample_labels("glioma").labels
    healthy = replace(case, data=np.where((truth > 0) & (truth < OEDEMA), case.data, 0).astype(np.float32))
    result = api.segment(healthy, preset="glioma", method="spatial", threads=1)
    counts = result.label_map.counts()
    assert names(result) == [*TISSUES, FLAIR, T1GD]
    assert counts[4] + counts[5] < 0.02 * result.mask.sum()
    assert {"small-class", "not-bright", "empty-class"} & set(codes(result))
    assert dice(result.label_map.labels == 3, truth == 3) > 0.9


def test_three_classes_are_the_tissues_alone_and_six_are_numbered() -> None:
    case = of_contrasts(load_sample("glioma"), ALL)
    three = api.segment(case, preset="glioma", method="spatial", n_classes=3, threads=1)
    assert names(three) == TISSUES
    six = api.segment(case, preset="glioma", method="gmm", n_classes=6, max_steps=3, threads=1)
    assert names(six) == [f"Class {k}" for k in range(1, 7)]


def test_the_same_case_gives_the_same_bits() -> None:
    again = api.segment(load_sample("glioma"), preset="glioma", method="spatial", threads=1)
    assert np.array_equal(again.label_map.labels, phantom(*ALL).label_map.labels)


@pytest.mark.parametrize("method", ["gmm", "svgmm"])
def test_mixtures_without_neighbours_find_the_same_classes(method) -> None:
    truth = load_sample_labels("glioma").labels
    result = api.segment(load_sample("glioma"), preset="glioma", method=method, threads=1)
    assert names(result) == [*TISSUES, FLAIR, T1GD]
    assert dice(result.label_map.labels == 4, truth == OEDEMA) > 0.6


def test_a_real_glioma_is_found_as_what_is_bright_on_flair(real_data: Path) -> None:
    folder = real_data / "glioma3d_dev"
    paths = [folder / f"TCGA-DU-7294_{name}.nii.gz" for name in ("t1", "t1c", "t2", "flair")]
    truth = read_labels(folder / "TCGA-DU-7294_labels_majority.nii.gz").labels > 0
    result = api.segment(paths, preset="glioma", method="spatial", threads=1)
    assert names(result) == [*TISSUES, FLAIR, T1GD]
    assert dice(result.label_map.labels == 4, truth) > 0.8
