"""A person's session ended by ``kill -9`` at random moments: what is there again, and how much work is missing.

    python benchmarks/kills.py [--kills 20] [--seed 1] [--steps 400] [--keep FOLDER]

Needs fork and /proc. Each kill has a session of its own, played by a process of its own: mixture and network, classes
split, merged, renamed and locked, K changed in mid-run and taken back, Gaussians dragged. It is killed at a random
moment of one of as many equal parts of the session, as its acts and reports count it: on a busy machine, too. While it
lives, the process writes down apart from its journal what it has done and when; that tells what is missing:

- ``lost``: from the last step that is there again to the kill, or from the first act that is not; in s.
- ``mask``: whether what is shown after the recovery has the hash that the journal tells last.
- ``end``: whether the session, gone on with to the end of its run, is what a replay of the whole journal gives.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import JOURNAL, Journal, Replayer, read_history, recover, result_hash

_SCRIPT = """
from pathlib import Path
from benchmarks.kills import play
play(Path(arguments[0]), Path(arguments[1]), int(arguments[2]))
"""
#: Lines of a journal that tell what a person did.
_ACTS = ("acted", "undone", "redone", "kept")
#: Longest time in s between the act or report that was waited for and the kill.
_LATER = 0.05


@dataclass(frozen=True)
class Kill:
    """What a kill left.

    `moment` is the processor time before it and `lost` the work that is missing, both in s; `recovery` is how long it
    took until the session was there again.
    """

    moment: float
    acts: int
    missing: int
    running: bool
    lost: float
    recovery: float
    has_result: bool
    equal: bool
    end_equal: bool
    #: Where the end is another: what two replays made instead.
    instead: str = ""


class Witness:
    """What a session did and when, in a file of its own: a line is there as soon as it was written."""

    def __init__(self, session: Session, path: Path) -> None:
        self._session = session
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._runs: list[int] = []
        self._seen: tuple[int, int] | None = None
        self._n_acts = 0

    def write(self, **what: Any) -> None:
        os.write(self._file, json.dumps({"time": time.time(), **what}).encode() + b"\n")

    def look(self) -> None:
        """Note how far the run is."""
        job = self._session.job
        if job is None:
            return
        if job.generation not in self._runs:
            self._runs.append(job.generation)
        seen = len(self._runs), job.n_reports
        if seen != self._seen:
            self._seen = seen
            self.write(run=seen[0], report=seen[1])

    def act(self, done: Callable[[], object], until: Callable[[], bool] = lambda: False) -> None:
        """Do something; note that it was done when it is in force, and follow the run that it began."""
        done()
        while self._session.editing:
            self._rest()
        self._n_acts += 1
        self.write(acts=self._n_acts)
        while self._session.running and not until():
            self._rest()

    def _rest(self) -> None:
        self._session.poll()
        self.look()
        if self._session.job is not None:
            self._session.job.join(0.005)


def play(folder: Path, witness: Path, steps: int) -> None:
    """Play the session that is killed, with so many steps of training."""
    from tests.session.journal_making import small_request

    session = Session(recorder=Journal.create(folder))
    session.open(small_request(max_steps=steps))
    seen = Witness(session, witness)

    def reports(share: float) -> Callable[[], bool]:
        return lambda: session.job is not None and session.job.n_reports >= share * steps

    seen.act(lambda: session.retune(method="spatial"))
    seen.act(session.run)
    seen.act(lambda: session.keep_as("first"))
    seen.act(lambda: session.split(3))
    seen.act(session.undo)
    seen.act(lambda: session.merge(1, 2))
    seen.act(session.undo)
    seen.act(session.redo)
    seen.act(session.undo)
    seen.act(lambda: session.rename(1, "Water"))
    seen.act(lambda: session.retune(method="blindspot"))
    seen.act(session.run, reports(0.3))
    seen.act(lambda: session.retune(n_classes=4), reports(0.6))
    seen.act(session.undo, reports(0.2))
    seen.act(lambda: session.retune(n_classes=4), reports(0.5))
    seen.act(lambda: session.retune(smoothness=0.2))
    seen.act(lambda: session.retune(n_classes=3), reports(0.6))
    seen.act(lambda: session.lock(2, True))
    for n in range(20):
        seen.act(lambda n=n: session.adjust({1: (40.0 + n % 5,)}, {}))
    for _ in range(3):
        seen.act(session.undo)
    session.close()


def kills(n: int, seed: int, folder: Path, steps: int) -> Iterator[Kill]:
    """Play and kill, one after the other."""
    from tests.cli.warm_processes import WarmProcesses

    script, witness, session = folder / "script.py", folder / "witness.jsonl", folder / "session"
    script.write_text(_SCRIPT, encoding="utf-8")
    moments = random.Random(seed)
    with WarmProcesses(folder / "log.txt") as processes:

        def begin() -> None:
            shutil.rmtree(session, ignore_errors=True)
            witness.unlink(missing_ok=True)
            processes.start(script, session, witness, steps)
            while not (session / JOURNAL).exists() or not (session / JOURNAL).read_bytes().count(b"\n"):
                if processes.ended_within(0.005):
                    raise RuntimeError(processes.output)

        begin()
        while not processes.ended_within(0.01):
            pass
        if processes.end():
            raise RuntimeError(processes.output)
        length = _n_lines(witness)
        for part in range(n):
            code, moment = 0, 0.0
            while code == 0:
                begin()
                until, later = length * (part + moments.random()) / n, moments.uniform(0.0, _LATER)
                while _n_lines(witness) < until and not processes.ended_within(0.002):
                    pass
                processes.ended_within(later)
                moment = processes.worked()
                # With fewer lines than the first time, it may have ended before.
                code, killed_at = processes.kill(), time.time()
            yield _found(session, witness, moment, killed_at)


def _n_lines(witness: Path) -> int:
    """Return how far a session is: the acts and reports that it has told of."""
    return witness.read_bytes().count(b"\n") if witness.exists() else 0


def _found(folder: Path, witness: Path, moment: float, killed_at: float) -> Kill:
    """Recover, compare, go on to the end of the run, and do all of it again."""
    seen = [json.loads(line) for line in witness.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    done = [line["time"] for line in seen if "acts" in line]
    history = read_history(folder)
    recorded = sum(event["kind"] in _ACTS for event in history.events)
    missing = max(0, len(done) - recorded)
    begun = time.monotonic()
    recovered = recover(folder)
    session = Session(recorder=recovered.journal)
    session.restore(recovered.request, recovered.situation, recovered.kept)
    recovery, running = time.monotonic() - begun, session.running
    there = [done[recorded]] if missing else []
    if running:
        there.append(_reached(history.runs[-1].number, _offset(recovered), seen, killed_at))
    told = None if history.situation is None else history.situation["result"]
    shown = None if session.result is None else result_hash(session.result)
    equal = shown == (None if told is None else told["hash"])
    equal &= [kept.name for kept in session.kept] == list(history.kept)
    while session.running or session.editing:
        session.poll()
        if session.job is not None:
            session.job.join(0.005)
    session.close()
    recovered.journal.close(finished=False)
    instead = _instead(folder, session)
    if instead:
        instead = f"first {instead}; again {_instead(folder, session)}"
    lost = killed_at - min([killed_at, *there])
    return Kill(moment, recorded, missing, running, lost, recovery, told is not None, equal, not instead, instead)


def _instead(folder: Path, session: Session) -> str:
    """Return what a replay of the whole journal makes that is not what was recorded or is not shown; "" for nothing."""
    if session.result is None:
        return ""
    replayer = Replayer(read_history(folder), strict=False)
    now, shown = result_hash(replayer.result()), result_hash(session.result)
    others = dict(replayer.others) if now == shown else {**replayer.others, "shown": (now, shown)}
    return ", ".join(f"{name}: {made[:16]} for {recorded[:16]}" for name, (made, recorded) in others.items())


def _offset(recovered: Any) -> int:
    """After how many reports of its run the session goes on."""
    return int(max(recovered.situation.run.log.states, default=0))


def _reached(run: int, report: int, seen: list[dict[str, Any]], killed_at: float) -> float:
    """When a run had made so many reports."""
    return next((at["time"] for at in seen if at.get("run") == run and at["report"] >= report), killed_at)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=400, help="steps of training")
    parser.add_argument("--keep", type=Path, help="where to copy the sessions that are not the same again")
    options = parser.parse_args()
    rows: list[Kill] = []
    print("| kill | after CPU s | acts | missing | run on | lost s | there after s | mask | end |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in kills(options.kills, options.seed, Path(folder), options.steps):
            rows.append(row)
            words = ["yes" if row.running else "no", f"{row.lost:.2f}", f"{row.recovery:.2f}"]
            mask = "none yet" if not row.has_result and row.equal else "the same" if row.equal else "another"
            end = "the same" if row.end_equal else "another"
            cells = [len(rows), f"{row.moment:.2f}", row.acts, row.missing, *words, mask, end]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            if options.keep and not (row.equal and row.end_equal):
                shutil.copytree(Path(folder) / "session", options.keep / f"kill-{options.seed}-{len(rows)}")
    worst = max(row.lost for row in rows)
    same = sum(row.equal and row.end_equal for row in rows)
    print(f"\n{len(rows)} kills: {same} the same again; {worst:.2f} s of work lost at most.")
    return int(same < len(rows) or worst > 2.0)


if __name__ == "__main__":
    sys.exit(main())
