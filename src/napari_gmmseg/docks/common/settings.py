"""Describe the fields of a settings class for a form: bounds, title and tip are taken from the field itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from napari_gmmseg.errors import SettingsError

Kind = Literal["choice", "flag", "whole", "number", "text", "numbers"]


@dataclass(frozen=True)
class Setting:
    """One field of a form.

    Parameters
    ----------
    name : str
        The field's name.
    kind : str
        "choice", "flag" (yes or no), "whole" (number), "number", "text" or "numbers" (whole ones, in a row).
    title, tip : str
        For the person.
    default : object
        Value to begin with.
    choices : tuple of str
        Of a choice.
    low, high : float or None
        Bounds of numbers; of whole ones both are allowed.
    is_open : bool
        Whether a number that is not whole has to lie above its lower bound.
    may_be_empty : bool
        Whether None is a value, meaning: find it.
    """

    name: str
    kind: Kind
    title: str
    tip: str
    default: Any
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    is_open: bool = False
    may_be_empty: bool = False


def describe_settings(settings: type, names: Sequence[str]) -> tuple[Setting, ...]:
    """Describe fields of a pydantic dataclass.

    Parameters
    ----------
    settings : type
        The class, such as `FitConfig`.
    names : sequence of str
        Which fields, in which order.
    """
    fields: Mapping[str, FieldInfo] = settings.__pydantic_fields__  # type: ignore[attr-defined]
    return tuple(_describe(name, fields[name]) for name in names)


def _describe(name: str, field: FieldInfo) -> Setting:
    annotation, may_be_empty = _without_none(field.annotation)
    bounds = {key: getattr(m, key) for m in field.metadata for key in ("ge", "gt", "le", "lt") if hasattr(m, key)}
    kinds: dict[Any, Kind] = {bool: "flag", int: "whole", float: "number", str: "text"}
    kind: Kind = "choice" if get_origin(annotation) is Literal else kinds.get(annotation, "numbers")
    # The next whole number lies inside an open bound; the next of the others is as good as the bound.
    inside = 1 if kind == "whole" else 0
    low, high = bounds.get("ge"), bounds.get("le")
    if low is None and "gt" in bounds:
        low = bounds["gt"] + inside
    if high is None and "lt" in bounds:
        high = bounds["lt"] - inside
    return Setting(
        name=name,
        kind=kind,
        title=field.title or name,
        tip=field.description or "",
        default=field.default,
        choices=tuple(get_args(annotation)) if kind == "choice" else (),
        low=low,
        high=high,
        is_open=kind == "number" and "gt" in bounds,
        may_be_empty=may_be_empty,
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, UnionType):
        kept = [a for a in get_args(annotation) if a is not NoneType]
        return kept[0], len(kept) < len(get_args(annotation))
    return annotation, False


def make_settings(settings: type, values: Mapping[str, Any]) -> Any:
    """Make settings of a form's values.

    Parameters
    ----------
    settings : type
        The class.
    values : mapping
        Value of each field that is not left at its default.

    Raises
    ------
    SettingsError
        Where a value is out of bounds or of another kind; the message has the field's title.
    """
    known = {field.name for field in dataclasses.fields(settings)}
    try:
        return settings(**{name: value for name, value in values.items() if name in known})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        (setting,) = describe_settings(settings, [name]) if name in known else (None,)
        title = setting.title if setting else name
        raise SettingsError(
            f"{title} cannot be {first['input']!r}: {first['msg'].rstrip('.').lower()}.",
            setting.tip if setting else "Choose another value.",
        ) from error


def parse_numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers in a row.

    Parameters
    ----------
    text : str
        Such as "2 1 1" or "2, 1, 1"; empty for none.

    Raises
    ------
    SettingsError
        Where something else stands there.
    """
    try:
        return tuple(int(word) for word in text.replace(",", " ").split())
    except ValueError as error:
        raise SettingsError(f"{text!r} is no row of whole numbers.", "Write for example 2 1 1.") from error


def parse_number(title: str, text: str) -> float:
    """Read a number.

    Parameters
    ----------
    title : str
        What it is, for the message.
    text : str
        Such as "0.0001" or "1e-4"; a comma is a point.

    Raises
    ------
    SettingsError
        Where something else stands there.
    """
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise SettingsError(f"{title} cannot be {text!r}: it is no number.", "Write for example 0.0001.") from error
