"""Contrasts are guessed from names only without doubt."""

from __future__ import annotations

import pytest

from napari_gmmseg.io.contrasts import guess_contrast


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("sub-01_T1w", "t1"),
        ("sub-01_ses-2_acq-T2prep_T1w", "t1"),
        ("sub-01_space-T2_FLAIR", "flair"),
        ("sub-01_PDw", "pd"),
        ("avg152T1", "t1"),
        ("avg152PD", "pd"),
        ("single_subj_T1", "t1"),
        ("t1_brain_nospheres", "t1"),
        ("ADNI_Sag3D MPRAGE", "t1"),
        ("TCGA-DU-7294_t1c", "t1gd"),
        ("BraTS_001_t1ce", "t1gd"),
        ("T1 post", "t1gd"),
        ("T1w+Gd", "t1gd"),
        ("t2_tse", "t2"),
        ("T2 FLAIR", "flair"),
        ("brainT2", "t2"),
        ("cine_sax", "bssfp"),
        ("C0_bSSFP", "bssfp"),
        ("sax_LGE", "lge"),
        ("image", ""),
        ("T1_and_T2", ""),
        ("T1map", ""),
        ("T2star", ""),
        ("T2*", ""),
        ("T1rho", ""),
        ("T10_spine", ""),
        ("update", ""),
        ("pdf_scan", ""),
        ("flairy", ""),
    ],
)
def test_a_name_tells_its_contrast_or_none(name: str, contrast: str) -> None:
    assert guess_contrast(name) == contrast


def test_names_that_contradict_each_other_tell_none() -> None:
    assert guess_contrast("T1w", "T2_tse") == ""
    assert guess_contrast("", "T2_tse") == "t2"
