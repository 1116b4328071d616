"""Guess an image's contrast from its name, only where the name leaves no doubt."""

from __future__ import annotations

import re

_START = r"(?<![a-z0-9])"
_END = r"w?(?![a-z0-9*])"
#: Maps of relaxation times and T2* are no T1- or T2-weighted images.
_NO_MAP = r"(?![-_ ]?(?:map|rho|star|s(?![a-z0-9])))"
_GADOLINIUM = r"w?[-_ +]*(?:gd|gad|gadolinium|ce|c|post|contrast)"

#: Tried in this order; what one has taken is not seen by those after it.
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("t1gd", rf"{_START}t1{_GADOLINIUM}(?![a-z0-9])"),
    ("flair", rf"{_START}(?:t2w?[-_ ]*)?flair{_END}"),
    ("t1", rf"{_START}(?:t1|mp-?rage|bravo){_NO_MAP}{_END}"),
    ("t2", rf"{_START}t2{_NO_MAP}{_END}"),
    ("pd", rf"{_START}pd{_NO_MAP}{_END}"),
    ("bssfp", rf"{_START}(?:b[-_ ]?ssfp|true[-_ ]?fisp|fiesta|cine){_END}"),
    ("lge", rf"{_START}(?:lge|psir){_END}"),
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BIDS_ENTITY = re.compile(r"(?<![a-z0-9])(?:space|desc|from|to|res|run|acq|task|dir)-[a-z0-9]+", re.IGNORECASE)


def guess_contrast(*names: str) -> str:
    """Return the one contrast that names tell, or "" where they tell none or several.

    Parameters
    ----------
    *names : str
        File stem, folder, series description, in any order.

    Returns
    -------
    str
        "t1", "t2", "flair", "pd", "t1gd", "bssfp", "lge" or "".
    """
    found: set[str] = set()
    for name in names:
        rest = _CAMEL.sub("_", _BIDS_ENTITY.sub(" ", name)).lower()
        for contrast, pattern in _PATTERNS:
            rest, n = re.subn(pattern, " ", rest)
            if n:
                found.add(contrast)
    return found.pop() if len(found) == 1 else ""
