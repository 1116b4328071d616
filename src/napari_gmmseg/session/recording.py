"""What a session tells whoever writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Recorder(Protocol):
    """Writes down what happens, in order; must return at once, and must not raise.

    Called on the thread that calls the session. Each event has a "kind"; nouns come as they are, and are frozen:

    ========== =========================================================================================
    kind       further keys
    ========== =========================================================================================
    opened     request, config
    began      generation, config, start, state, offset, told: a run begins; what is said to it once more
               stands in `told` as (after n reports of this job or None, command)
    told       generation, after (reports of this job), command: the fit heard it there
    state      generation, after, state: where it stood
    ended      generation, reason, result (None where there is none), situation
    acted      words, what, arguments, situation: settings, a class edit, a lock, a name, a moved Gaussian
    undone     words, situation
    redone     words, situation
    kept       kept
    dropped    name
    ========== =========================================================================================

    `FitState.start_key` tells apart what one job says; two jobs may use one key for different arrays.
    """

    def record(self, event: Mapping[str, Any]) -> None:
        """Take one event.

        Parameters
        ----------
        event : mapping
            See above.
        """
