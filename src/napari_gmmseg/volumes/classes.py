"""What each class means: name, colour, label value, and where its intensity is expected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from napari_gmmseg.errors import SettingsError

Colour = tuple[float, float, float]
#: With a contrast behind it, the role of a class that is known by its brightness there, and by nothing else.
_BRIGHT = "bright-"
#: The name of a class that nobody has named.
_NUMBERED = re.compile(r"Class \d+")


@dataclass(frozen=True)
class TissueClass:
    """One class of a segmentation.

    Parameters
    ----------
    value : int
        Label value in masks, 1 ... 255; 0 is background.
    name : str
        Full name, e.g. "White matter".
    abbreviation : str
        Short name for tables and sidecars, e.g. "WM".
    colour : (r, g, b)
        Each 0 ... 1.
    role : str
        Machine name that survives renaming, e.g. "wm"; "" for a class without meaning.
    ranks : dict of str to int
        Expected intensity rank, from 0 = darkest, for each contrast where it is known.
    """

    value: int
    name: str
    abbreviation: str
    colour: Colour
    role: str = ""
    ranks: dict[str, int] = field(default_factory=dict)

    @property
    def bright_in(self) -> str:
        """Contrast in which an unnamed class is brighter than any tissue; "" for a tissue."""
        return self.role.removeprefix(_BRIGHT) if self.role.startswith(_BRIGHT) else ""


@dataclass(frozen=True)
class ClassTable:
    """The classes of a segmentation, in the order of the K axis.

    Parameters
    ----------
    classes : tuple of TissueClass
        Entry k describes class k of probabilities (K, Z, Y, X).
    """

    classes: tuple[TissueClass, ...]

    def __post_init__(self) -> None:
        values = [c.value for c in self.classes]
        if len(set(values)) != len(values) or not all(1 <= v <= 255 for v in values):
            raise SettingsError(
                f"Label values must differ and lie between 1 and 255; seen: {values}.",
                "Give each class a label value of its own.",
            )

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[TissueClass]:
        return iter(self.classes)

    def __getitem__(self, k: int) -> TissueClass:
        return self.classes[k]

    @property
    def values(self) -> tuple[int, ...]:
        """Label values, in class order."""
        return tuple(c.value for c in self.classes)

    def by_value(self, value: int) -> TissueClass | None:
        """Return the class with a label value, or None.

        Parameters
        ----------
        value : int
            Label value in a mask.
        """
        return next((c for c in self.classes if c.value == value), None)

    def called_as(self, table: ClassTable) -> ClassTable:
        """Return these classes, in their order, with the names and colours that another table gives the same values.

        Where the other has but a number, "Class 2", and this table a name, the name stays.

        Parameters
        ----------
        table : ClassTable
            With the names; classes that this table has not are left out.
        """
        return ClassTable(tuple(_better_named(table.by_value(own.value), own) for own in self.classes))


def _better_named(other: TissueClass | None, own: TissueClass) -> TissueClass:
    if other is None or (_NUMBERED.fullmatch(other.name) and not _NUMBERED.fullmatch(own.name)):
        return own
    return other
