"""Which patients are trained on, and which only looked at: never slices of one patient on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.volumes import LabelledCase, Part


@dataclass(frozen=True)
class Split:
    """Cases in three parts, no patient in two of them.

    Parameters
    ----------
    train, validation, test : tuple of LabelledCase
        In the order in which they were given.
    """

    train: tuple[LabelledCase, ...]
    validation: tuple[LabelledCase, ...]
    test: tuple[LabelledCase, ...]

    def names(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the cases in each part."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {part: tuple(case.name for case in cases) for part, cases in parts.items()}


def split(cases: tuple[LabelledCase, ...], config: TrainingConfig) -> Split:
    """Put each patient into one part: where a person has put one of the patient's cases, else where the seed does.

    Parameters
    ----------
    cases : tuple of LabelledCase
        All of them.
    config : TrainingConfig
        Shares of validation and test, and the seed.

    Raises
    ------
    SettingsError
        Where a patient has been put into two parts, or nobody is left to train on or to validate with.
    """
    place = _told(cases)
    free = sorted({case.patient for case in cases} - place.keys())
    np.random.default_rng([config.seed, 1]).shuffle(free)
    if not place:
        # At least one where any were asked for.
        n_test, n_validation = (_number(share, len(free)) for share in (config.test_share, config.validation_share))
        place = dict.fromkeys(free[:n_test], "test")
        place |= dict.fromkeys(free[n_test : n_test + n_validation], "validation")
    parts: dict[str, list[LabelledCase]] = {"train": [], "validation": [], "test": []}
    for case in cases:
        parts[place.get(case.patient, "train")].append(case)
    found = Split(*(tuple(parts[name]) for name in ("train", "validation", "test")))
    _check(found, config)
    return found


def _told(cases: tuple[LabelledCase, ...]) -> dict[str, Part]:
    place: dict[str, Part] = {}
    for case in cases:
        if case.part and place.setdefault(case.patient, case.part) != case.part:
            raise SettingsError(
                f"The patient {case.patient} was put into {place[case.patient]} and into {case.part}.",
                "Put all cases of a patient into one part: what was trained on proves nothing.",
            )
    return place


def _number(share: float, n_patients: int) -> int:
    return max(1, round(share * n_patients)) if share > 0 else 0


def _check(found: Split, config: TrainingConfig) -> None:
    labelled = [case for case in found.train if case.labels is not None]
    if not labelled:
        raise SettingsError(
            "No labelled case is left to train on.",
            "Give more patients with labels, or smaller shares of validation and test.",
        )
    if any(case.labels is None for case in (*found.validation, *found.test)):
        # What has no labels can be learnt from by its intensities, but nothing can be measured on it.
        raise SettingsError(
            "A case without labels was put among those that are measured on.",
            "Put it into train, by the column split.",
        )
    if not found.validation and config.validation_share > 0:
        raise SettingsError(
            "Nobody is left to validate with.", "Put a patient there, or set the share of validation to 0."
        )
