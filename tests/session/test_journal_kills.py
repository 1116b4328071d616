"""A person's session that is killed at any moment is there again, as it was last recorded."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tests.cli.warm_processes import WarmProcesses
from tests.session.journal_making import drive

from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import JOURNAL, Replayer, read_history, recover, result_hash

KILLS = 6
#: A run with edits, kept results, another run that is told things, and Gaussians that are moved without end.
SCRIPT = """
from itertools import count
from pathlib import Path
from tests.session.journal_making import drive, small_request
from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import Journal

journal = Journal.create(Path(arguments[0]))
session = Session(recorder=journal)
session.open(small_request(max_steps=100))
session.retune(method="spatial")
session.run()
drive(session)
session.keep_as("first")
session.split(3)
drive(session)
session.rename(1, "Water")
session.retune(method="blindspot")
session.run()
drive(session, until=lambda: session.job.n_reports >= 30)
session.retune(n_classes=4)
drive(session, until=lambda: session.job.n_reports >= 50)
session.retune(smoothness=0.2)
drive(session)
for n in range(30):
    session.adjust({1: (40.0 + n % 5,)}, {})
    drive(session)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs fork and /proc")
def test_a_killed_session_is_recovered_as_it_was_recorded_and_ends_as_its_journal_tells(tmp_path: Path) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "session"
    script.write_text(SCRIPT)
    moments, killed, running, results = random.Random(1), 0, 0, 0
    with WarmProcesses(tmp_path / "log.txt") as processes:
        processes.start(script, folder)
        worked = 0.0
        while not processes.ended_within(0.01):
            worked = processes.worked()
        assert processes.end() == 0, processes.output
        while killed < KILLS:
            shutil.rmtree(folder)
            processes.start(script, folder)
            while not (folder / JOURNAL).exists() or not (folder / JOURNAL).read_bytes().count(b"\n"):
                assert not processes.ended_within(0.005), processes.output
            moment = moments.uniform(processes.worked(), worked)
            while processes.worked() < moment and not processes.ended_within(0.01):
                pass
            if processes.ended_within(0):
                assert processes.end() == 0
                continue
            assert processes.kill() == -9
            killed += 1
            was_on, had_result = _goes_on(folder)
            running += was_on
            results += had_result
    assert running
    assert results


def _goes_on(folder: Path) -> tuple[bool, bool]:
    """Recover, compare, go on to the end of the run, and do it all again; tell whether a run was on, and a result."""
    history = read_history(folder)
    recovered = recover(folder)
    session = Session(recorder=recovered.journal)
    session.restore(recovered.request, recovered.situation, recovered.kept)
    was_on = session.running
    recorded = None if history.situation is None else history.situation["result"]
    if recorded is not None:
        assert session.result is not None
        assert result_hash(session.result) == recorded["hash"]
        assert [kept.name for kept in session.kept] == ["first"][: len(history.kept)]
    drive(session)
    session.close()
    recovered.journal.close(finished=False)
    if session.result is not None:
        assert result_hash(Replayer(read_history(folder)).result()) == result_hash(session.result)
    return was_on, recorded is not None
