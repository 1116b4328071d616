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

    The seed fills validation and test where a person has put nobody there, out of patients all of whose cases have
    labels; all others are trained on.

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
    told = set(place.values())
    # What has no labels can be learnt from by its intensities, but nothing can be measured on it.
    unlabelled = {case.patient for case in cases if case.labels is None}
    free = sorted({case.patient for case in cases} - place.keys() - unlabelled)
    np.random.default_rng([config.seed, 1]).shuffle(free)
    n_labelled = len({case.patient for case in cases} - unlabelled)
    shares: tuple[tuple[Part, float], ...] = (("test", config.test_share), ("validation", config.validation_share))
    for part, share in shares:
        if part not in told:
            n = _number(share, n_labelled)
            place |= dict.fromkeys(free[:n], part)
            free = free[n:]
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
    if not any(case.labels is not None for case in found.train):
        n = len({case.patient for part in (found.validation, found.test) for case in part})
        raise SettingsError(
            f"No labelled case is left to train on; put aside: {n} patient{'s' * (n != 1)} with labels.",
            "Give more patients with labels. Of two, one can be trained on with --test-share 0; of one, with "
            "--validation-share 0, too.",
        )
    if any(case.labels is None for case in (*found.validation, *found.test)):
        raise SettingsError(
            "A case without labels was put among those that are measured on.",
            "In the column split, write train for it, or nothing.",
        )
    if not found.validation and config.validation_share > 0:
        raise SettingsError(
            "Nobody is left to validate with.",
            "Leave the column split empty for a patient whose cases all have labels, or take --validation-share 0.",
        )
