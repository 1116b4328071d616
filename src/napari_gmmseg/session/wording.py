"""What a person did, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from napari_gmmseg.config import FitConfig

_FIELDS: dict[str, Any] = FitConfig.__pydantic_fields__  # type: ignore[attr-defined] # pydantic adds it


def change_in_words(old: FitConfig, new: FitConfig) -> str:
    """Return what differs between settings, e.g. "Classes K: 3 → 4".

    Parameters
    ----------
    old, new : FitConfig
        Before and after.
    """
    changes = []
    for field in dataclasses.fields(FitConfig):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before != after:
            changes.append(f"{_FIELDS[field.name].title or field.name}: {_said(before)} → {_said(after)}")
    return ", ".join(changes)


def _said(value: object) -> str:
    return "automatic" if value is None or value == () else str(value)


def abbreviated(name: str, taken: Collection[str]) -> str:
    """Return a short name that none of the others has: initials, or the first letters of a single word.

    Parameters
    ----------
    name : str
        Full name.
    taken : collection of str
        Short names of the others.
    """
    words = name.split()
    short = "".join(word[0] for word in words).upper() if len(words) > 1 else name[:3].upper()
    numbered = (f"{short}{n}" for n in range(2, len(taken) + 3))
    return short if short not in taken else next(s for s in numbered if s not in taken)
