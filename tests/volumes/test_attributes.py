"""Attributes as numbers: kinds, amounts, gaps, and outcomes that are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.volumes import USUAL, AttributeTable, is_outcome

PATIENTS = (
    {"RNASeqCluster": "2", "age": "30", "gender": "female", "death01": "1", "score": "0.5"},
    {"RNASeqCluster": "10", "age": "50", "gender": "", "death01": "0", "score": "1.5"},
    {"RNASeqCluster": "NA", "gender": "male", "death01": "0", "score": "1"},
)


def test_the_usual_attributes_are_taken_where_there_are_any_and_outcomes_are_not():
    table = AttributeTable.of(PATIENTS)
    assert table.kinds == (("RNASeqCluster", ("2", "10")), ("gender", ("female", "male")))
    assert table.amounts == (("age", 40.0, 10.0),)
    assert table.size == 2 + 2 + 2 + 1


def test_kinds_are_one_hot_amounts_standardised_and_the_position_comes_last():
    numbers = AttributeTable.of(PATIENTS).encode({"RNASeqCluster": 10, "gender": "male", "age": 60}, 0.75)
    assert numbers.tolist() == [0, 1, 0, 1, 2, 1, 0.5]
    assert numbers.dtype == np.float32


@pytest.mark.parametrize("gap", [{}, {"RNASeqCluster": "", "age": "NA", "gender": "nan"}, {"age": float("nan")}])
def test_what_is_missing_is_zeros(gap):
    assert not AttributeTable.of(PATIENTS).encode(gap).any()


def test_a_kind_that_nobody_was_of_counts_as_missing_and_is_told():
    table = AttributeTable.of(PATIENTS, ["RNASeqCluster"], position=False)
    assert table.encode({"RNASeqCluster": "3"}).tolist() == [0, 0]
    assert table.unheard({"RNASeqCluster": "3"}) == {"RNASeqCluster": "3"}
    assert table.unheard({"RNASeqCluster": 2.0}) == {}
    assert table.missing({}) == ("RNASeqCluster",)


def test_an_amount_that_is_no_number_counts_as_unknown_and_is_told():
    table = AttributeTable.of(PATIENTS, ["age"], position=False)
    assert table.encode({"age": "45y"}).tolist() == [0, 0]
    assert table.misread({"age": "45y"}) == {"age": "45y"}
    assert table.misread({"age": "45"}) == table.misread({"age": "NA"}) == table.misread({}) == {}


def test_one_age_that_is_no_number_makes_no_kinds_of_the_others():
    table = AttributeTable.of([*PATIENTS, {"age": "45y"}], ["age"])
    assert table.amounts == (("age", 40.0, 10.0),)
    assert AttributeTable.of([{"age": "young"}, {"age": "old"}, {"age": "45"}], ["age"]).kinds
    assert AttributeTable.of([{"score": "0.5"}, {"score": "high"}, {"score": "2"}], ["score"]).kinds


def test_a_column_with_fractions_is_an_amount():
    assert [name for name, _, _ in AttributeTable.of(PATIENTS, ["score"]).amounts] == ["score"]


@pytest.mark.parametrize(
    "name",
    [
        *("death01", "OS_months", "overall_survival", "vital_status", "days_to_last_followup", "PFS", "recurrence"),
        *("event", "OS.time", "DSS.time", "DFI.time", "PFI", "PFI.time", "OS (months)", "OSMonths", "osMonths", "OS"),
        *("tumor_status", "TumourStatus", "Alive", "ttp", "censored", "new_tumor_event", "PFS-6"),
    ],
)
def test_an_outcome_is_refused_by_its_name(name):
    assert is_outcome(name)
    with pytest.raises(SettingsError, match=re.escape(name)):
        AttributeTable.of([{name: "1"}], [name])


@pytest.mark.parametrize(
    "name", [*USUAL, "laterality", "position", "osmolality", "prevent", "tumor_location", "PositionOfSlice"]
)
def test_other_names_are_not_taken_for_outcomes(name):
    assert not is_outcome(name)


def test_an_attribute_that_no_training_patient_has_is_refused_with_those_that_there_are():
    with pytest.raises(SettingsError, match="grade") as caught:
        AttributeTable.of(PATIENTS, ["grade"])
    assert "RNASeqCluster" in caught.value.hint
    assert "death01" not in caught.value.hint


def test_a_column_of_names_is_refused():
    with pytest.raises(SettingsError, match="40 kinds"):
        AttributeTable.of([{"barcode": f"p{n}"} for n in range(40)], ["barcode"])


def test_it_comes_back_from_plain_values():
    table = AttributeTable.of(PATIENTS)
    assert AttributeTable.from_dict(table.as_dict()) == table


def test_nothing_may_be_known():
    table = AttributeTable.of(PATIENTS, (), position=False)
    assert table.size == 0
    assert table.encode(PATIENTS[0]).shape == (0,)
