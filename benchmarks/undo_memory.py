"""Memory of a session: fifty results of a 256³ volume in undo, and ten thousand actions of a person.

    python benchmarks/undo_memory.py [--actions 10000]

Of the large results every byte is written, so that resident memory (VmRSS of Linux) tells what undo holds. The actions
are those of ``tests/session/test_undo_within_memory.py``, on a small image with a made-up fit; what Python holds then
is counted by tracemalloc, before them and after them.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tracemalloc
from dataclasses import replace
from itertools import count
from pathlib import Path
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from napari_gmmseg.config import FitConfig
from napari_gmmseg.session import Session, Situation
from napari_gmmseg.session.undoing import Act, UndoStack

MEGA = 1e6
#: Before anything is counted: libraries are loaded when first used, and undo is filled.
WARM, FILLED = 1000, 3000


def resident() -> float:
    """Return the megabytes of memory that the process has now."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / MEGA


def fifty_results() -> None:
    from tests.session.test_undo_within_memory import large_result

    def written() -> Situation:
        result = large_result()
        labels = replace(result.label_map, labels=np.ones(result.mask.shape, np.uint8))
        chances = np.full(result.probabilities.shape, 1 / 3, np.float32)
        mask = np.ones(result.mask.shape, bool)
        return Situation(FitConfig(), replace(result, label_map=labels, probabilities=chances, mask=mask))

    # What is loaded when it is first used is no result's.
    written()
    before = resident()
    undo, now, most, counted = UndoStack(), written(), 0.0, 0
    shown = resident() - before
    for step in range(50):
        new = written()
        undo.push(Act(f"step {step}", now, object()), new)
        now = new
        most = max(most, resident() - before - shown)
        counted = max(counted, undo.memory_used(now))
    n = 0
    while (act := undo.undo(now)) is not None:
        now, n = act.situation, n + 1
    print(f"50 results of 256³, each {shown:.0f} MB, shown one by one; limit {undo.limit / MEGA:.0f} MB:")
    print(f"{counted / MEGA:.0f} MB held beyond the shown one at most, resident {most:.0f} MB; {n} could be undone")


def many_actions(n_actions: int) -> None:
    from tests.session.conftest import numbered_request
    from tests.session.fake_fits import fake_fit
    from tests.session.gates import rest
    from tests.session.test_undo_within_memory import act

    with patch("napari_gmmseg.session.segmenting._load_fit", lambda: fake_fit):
        session = Session()
        session.open(numbered_request())
        session.run()
        rest(session)
        numbers = count(1)
        for _ in range(WARM):
            act(session, next(numbers) % 1000 + 1)
        tracemalloc.start()
        for _ in range(FILLED):
            act(session, next(numbers) % 1000 + 1)
        gc.collect()
        before, resident_before = tracemalloc.get_traced_memory()[0], resident()
        for _ in range(n_actions):
            act(session, next(numbers) % 1000 + 1)
        gc.collect()
        after, resident_after = tracemalloc.get_traced_memory()[0], resident()
        session.close()
    growth, resident_growth = after / before - 1, resident_after / resident_before - 1
    print(f"{n_actions} actions: {before / MEGA:.3f} MB before, {after / MEGA:.3f} MB after ({growth:+.2%});")
    print(f"resident {resident_before:.1f} MB before, {resident_after:.1f} MB after ({resident_growth:+.2%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--actions", type=int, default=10_000)
    options = parser.parse_args()
    fifty_results()
    many_actions(options.actions)


if __name__ == "__main__":
    main()
