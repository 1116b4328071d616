"""Bounds of settings, as a person reads them."""

from __future__ import annotations

from pydantic.fields import FieldInfo


def field_of(owner: type, name: str) -> FieldInfo:
    """Return the description of one field of a pydantic dataclass.

    Parameters
    ----------
    owner : type
        Such as `FitConfig`.
    name : str
        Name of the field.
    """
    fields: dict[str, FieldInfo] = owner.__pydantic_fields__  # type: ignore[attr-defined]
    return fields[name]


def bounds_of(field: FieldInfo) -> str:
    """Return the bounds of a field as a person reads them, e.g. "≥ 2, ≤ 16"; "" where it has none.

    Parameters
    ----------
    field : FieldInfo
        The field.
    """
    signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    found = []
    for attribute, sign in signs:
        for entry in field.metadata:
            value = getattr(entry, attribute, None)
            if value is not None and value < 2**62:
                found.append(f"{sign} {value:g}")
    return ", ".join(found)
