"""Help texts of flags, taken from the settings' own fields."""

from __future__ import annotations

import re
from typing import Any

import tyro

from napari_gmmseg.config.bounds import bounds_of, field_of

#: The clause of a description that tells what an empty field means, always the last.
_EMPTY = re.compile(r"; empty: [^;]*\.$")


def about(owner: type, name: str, default: str = "", **options: Any) -> Any:
    """Return what tyro shall show for a flag: title, description and bounds of the field that it sets.

    Parameters
    ----------
    owner : type
        Such as `FitConfig`.
    name : str
        Name of the field.
    default : str
        What holds where the flag is not given, if that is no value of its own.
    **options
        Further options of `tyro.conf.arg`, such as `name`.
    """
    field = field_of(owner, name)
    text = f"{field.title}: {field.description}"
    limits = bounds_of(field)
    if default:
        options["help_behavior_hint"] = f"({default})"
        # What an empty field of a form means, an absent flag means here: told once, by the hint.
        text = _EMPTY.sub(".", text)
    return tyro.conf.arg(help=f"{text} ({limits})" if limits else text, **options)


def otherwise(default: str, text: str, metavar: str | None = None) -> Any:
    """Return what tyro shall show for a flag that sets no field of the settings.

    Parameters
    ----------
    default : str
        What holds where it is not given.
    text : str
        Its help.
    metavar : str or None
        What it takes; None for the words that it can be.
    """
    return tyro.conf.arg(help=text, help_behavior_hint=f"({default})", metavar=metavar)
