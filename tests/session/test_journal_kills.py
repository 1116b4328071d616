"""A person's session that is killed at any moment is there again, as it was last recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.kills import kills

KILLS = 6
#: Seconds of work that may be missing.
LONGEST_LOSS = 2.0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs fork and /proc")
def test_a_killed_session_is_recovered_as_it_was_recorded_and_ends_as_its_journal_tells(tmp_path: Path) -> None:
    found = list(kills(KILLS, 1, tmp_path, steps=100))
    assert [kill for kill in found if not (kill.equal and kill.end_equal)] == []
    assert max(kill.lost for kill in found) <= LONGEST_LOSS
    assert any(kill.running for kill in found)
    assert any(kill.has_result for kill in found)
