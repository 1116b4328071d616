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
    began      generation, config, start, state, offset, before, told: a run begins; what is said to it once
               more stands in `told`, each with after (n reports of this job, or None), command and words;
               `before` is the situation that is put back where it is cancelled
    said       generation, order, after, command, words: the fit is to be told it, after so many reports at the
               earliest; `order` counts what the run is to be told, from 0, with what stands in `told`
    amended    generation, order, command, words: the fit is to be told this in its place
    withdrawn  generation, order: the fit is not to be told it
    planned    generation, plan: how its fit is done within the memory that there is
    told       generation, after (reports of this job), command: the fit heard it there
    state      generation, after, state: where it stood
    ended      generation, reason, result (None where there is none), moved, situation: `moved` says what
               label values of the fit became, where classes were matched with those of an earlier result
    acted      words, what, arguments, situation: settings, a class edit, a lock, a name, a moved Gaussian;
               `what` and `arguments` are the session's method and what it was called with
    withdrew   situation: too few strokes were left to be answered
    answered   result, start, scribbles, network, situation, store: strokes were answered, with a result of a fit
               for the classes that were not painted, and a network that was fine-tuned on the image, or None
    undone     words, situation, then: a run that was on then ends without another word; `then` holds the
               events that came of it ("began" where one is taken up), without which it must not be recorded
    redone     words, situation, then: as undone
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
