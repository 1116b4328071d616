"""What is known of patients, as numbers: one-hot where it is a kind, standardised where it is an amount."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import SettingsError

Attributes = Mapping[str, str | int | float]

#: What became of a patient: it is not known when an image is looked at, and a network that has seen it has been told.
_OUTCOME = re.compile(
    r"death|dead|died|deceased|surviv|vital|outcome|progress|recur|relapse|respon[sd]|follow.?up|days_to|censor|"
    r"(?:tumou?r|disease)[^a-z0-9]*status",
    re.IGNORECASE,
)
#: The same, where they are whole words: intervals as the public tables abbreviate them, and others.
_OUTCOME_WORDS = frozenset(
    ("os", "pfs", "pfi", "dfs", "dfi", "dss", "rfs", "efs", "mfs", "ttp", "ttr", "event", "events", "alive")
)
#: Words of a heading: apart at all that is no letter and no digit, at digits, and at capitals.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: Whole numbers that are an amount; others are taken for the number of a kind.
_AMOUNT = re.compile(r"(?:^|_)age(?:_|$)|year|volume|weight|height|diameter|karnofsky|kps|_m[ml]$", re.IGNORECASE)
#: Of the public glioma tables: what is known of tumour and patient beside the image, and tells nothing of the outcome.
USUAL = (
    "RNASeqCluster",
    "MethylationCluster",
    "miRNACluster",
    "CNCluster",
    "RPPACluster",
    "OncosignCluster",
    "gender",
    "sex",
    "age",
    "age_at_initial_pathologic",
)
_UNKNOWN = frozenset({"", "na", "nan", "n/a", "null", "none", "?", "unknown"})
_MOST_KINDS = 32


@dataclass(frozen=True)
class AttributeTable:
    """How attributes become numbers; what is missing is zeros, so that it says nothing.

    Parameters
    ----------
    kinds : tuple of (str, tuple of str)
        Attributes that are one of several kinds, and these.
    amounts : tuple of (str, float, float)
        Attributes that are amounts, with mean and standard deviation over the training patients; each takes two
        numbers, the second of which tells whether it is known.
    position : bool
        Whether the slice's position, 0 ... 1, comes last.
    """

    kinds: tuple[tuple[str, tuple[str, ...]], ...] = ()
    amounts: tuple[tuple[str, float, float], ...] = ()
    position: bool = True

    @classmethod
    def of(
        cls, patients: Sequence[Attributes], names: Sequence[str] | None = None, *, position: bool = True
    ) -> AttributeTable:
        """Return how the attributes of training patients become numbers.

        Parameters
        ----------
        patients : sequence of mapping
            Attributes of each patient; gaps are allowed.
        names : sequence of str or None
            Which to take; None: those of `USUAL` that at least one patient has.
        position : bool
            Whether the slice's position is told, too.

        Raises
        ------
        SettingsError
            Where an outcome is among them, no patient has one, or one has too many kinds.
        """
        known = {name: _known(patients, name) for name in (USUAL if names is None else names)}
        if outcomes := [name for name in known if is_outcome(name)]:
            raise SettingsError(
                f"{', '.join(outcomes)} tells what became of the patient, which nobody knows when an image is taken.",
                "Leave it out: a network that has seen it has been told what it is to find.",
            )
        if names is not None and (nobody := [name for name, values in known.items() if not values]):
            raise SettingsError(
                f"No training patient has the attribute {', '.join(nobody)}.",
                f"Choose among: {', '.join(sorted({key for p in patients for key in p if not is_outcome(key)}))}.",
            )
        known = {name: values for name, values in known.items() if values}
        amounts = {name: values for name, values in known.items() if _is_amount(name, values)}
        kinds = {name: tuple(sorted(set(known[name]), key=_order)) for name in known.keys() - amounts.keys()}
        for name, found in kinds.items():
            if len(found) > _MOST_KINDS:
                raise SettingsError(
                    f"The attribute {name} has {len(found)} kinds, more than {_MOST_KINDS}.",
                    "Leave it out: it is a name or a number of each patient, not a kind.",
                )
        return cls(
            tuple((name, kinds[name]) for name in known if name in kinds),
            tuple((name, *_moments(values)) for name, values in amounts.items()),
            position,
        )

    @property
    def size(self) -> int:
        """How many numbers tell the attributes."""
        return sum(len(kinds) for _, kinds in self.kinds) + 2 * len(self.amounts) + int(self.position)

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that are told."""
        return (*(name for name, _ in self.kinds), *(name for name, _, _ in self.amounts))

    def encode(self, attributes: Attributes, position: float | None = None) -> NDArray[np.float32]:
        """Return a patient's attributes as numbers.

        Parameters
        ----------
        attributes : mapping of str to str or number
            What is known; others are not looked at.
        position : float or None
            Of the slice, 0 ... 1; None where it is not known.

        Returns
        -------
        ndarray (size,) float32
            One-hot and standardised (1); zeros where something is missing.
        """
        numbers: list[float] = []
        for name, kinds in self.kinds:
            value = _text(attributes.get(name, ""))
            numbers += [float(value == kind) for kind in kinds]
        for name, mean, std in self.amounts:
            amount = _number(_text(attributes.get(name, "")))
            numbers += [0.0, 0.0] if amount is None else [(amount - mean) / std, 1.0]
        if self.position:
            # 0 is the middle: not to know where a slice lies is to know nothing of it.
            numbers.append(0.0 if position is None else 2.0 * position - 1.0)
        return np.array(numbers, dtype=np.float32)

    def unheard(self, attributes: Attributes) -> dict[str, str]:
        """Return the kinds that no training patient was of, by attribute; they count as missing.

        Parameters
        ----------
        attributes : mapping of str to str or number
            What is known of a patient.
        """
        values = {name: _text(attributes.get(name, "")) for name, _ in self.kinds}
        return {name: values[name] for name, kinds in self.kinds if values[name] and values[name] not in kinds}

    def misread(self, attributes: Attributes) -> dict[str, str]:
        """Return the amounts that are told and are no numbers, by attribute; they count as missing.

        Parameters
        ----------
        attributes : mapping of str to str or number
            What is known of a patient.
        """
        values = {name: _text(attributes.get(name, "")) for name, _, _ in self.amounts}
        return {name: value for name, value in values.items() if value and _number(value) is None}

    def missing(self, attributes: Attributes) -> tuple[str, ...]:
        """Return the attributes that are not known of a patient.

        Parameters
        ----------
        attributes : mapping of str to str or number
            What is known.
        """
        return tuple(name for name in self.names if not _text(attributes.get(name, "")))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kinds": [[name, list(kinds)] for name, kinds in self.kinds],
            "amounts": [list(amount) for amount in self.amounts],
            "position": self.position,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AttributeTable:
        """Return what `as_dict` gave.

        Parameters
        ----------
        values : mapping
            As JSON has it.
        """
        return cls(
            tuple((str(name), tuple(str(kind) for kind in kinds)) for name, kinds in values["kinds"]),
            tuple((str(name), float(mean), float(std)) for name, mean, std in values["amounts"]),
            bool(values["position"]),
        )


def is_outcome(name: str) -> bool:
    """Tell whether an attribute's name says that it is known only after the image was taken.

    Parameters
    ----------
    name : str
        Such as the heading of a column.
    """
    words = {word.lower() for word in _WORD.findall(name)}
    return _OUTCOME.search(name) is not None or bool(words & _OUTCOME_WORDS)


def _known(patients: Iterable[Attributes], name: str) -> list[str]:
    return [text for patient in patients if (text := _text(patient.get(name, "")))]


def _text(value: str | float) -> str:
    """Return a value as text, whole numbers alike however they were written; "" where it is a gap."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    text = str(value).strip()
    if text.lower() in _UNKNOWN:
        return ""
    number = _number(text)
    return str(int(number)) if number is not None and number == int(number) else text


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_amount(name: str, values: Sequence[str]) -> bool:
    numbers = [number for value in values if (number := _number(value)) is not None]
    if _AMOUNT.search(name) is not None:
        # One age that was mistyped makes no kinds of all the others.
        return 2 * len(numbers) > len(values)
    return len(numbers) == len(values) and any(number != int(number) for number in numbers)


def _moments(values: Sequence[str]) -> tuple[float, float]:
    numbers = np.array([number for value in values if (number := _number(value)) is not None])
    return float(numbers.mean()), float(numbers.std()) or 1.0


def _order(kind: str) -> tuple[float, str]:
    number = _number(kind)
    return (math.inf if number is None else number), kind
