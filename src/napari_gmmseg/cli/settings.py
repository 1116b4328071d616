"""Help texts of flags, taken from the settings' own fields."""

from __future__ import annotations

from typing import Any

import tyro
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


def about(owner: type, name: str, **options: Any) -> Any:
    """Return what tyro shall show for a flag: title, description and bounds of the field that it sets.

    Parameters
    ----------
    owner : type
        Such as `FitConfig`.
    name : str
        Name of the field.
    **options
        Further options of `tyro.conf.arg`, such as `name`.
    """
    field = field_of(owner, name)
    text = f"{field.title}: {field.description}"
    limits = bounds_of(field)
    return tyro.conf.arg(help=f"{text} ({limits})" if limits else text, **options)


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
