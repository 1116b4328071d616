"""How every settings class treats what it does not know."""

from __future__ import annotations

from pydantic import ConfigDict

#: Unknown names are refused.
STRICT = ConfigDict(extra="forbid")
