"""Which settings the refinement should come with: one factor at a time, on brains, hearts and real images.

    python benchmarks/study_default.py [--seeds 0] [--variants "steps 50" ...] [--cases t1_n9b0 ...]   # runs and tables
    python benchmarks/study_default.py --noise       # Dice against steps on brains of 3 to 15 % noise
    python benchmarks/study_default.py --table       # tables of what was measured before

Every run is appended to ``output/study_default.jsonl`` as it ends; what is there already is not run again, so that a
study may be ended and taken up. One process a variant, one torch thread. A seed is the network's; a case behind which
``@1`` stands has another noise field. `study_variants.py` has the list. Tables name the commits of what they compare:
a study that is taken up under another one mixes them; ``--json`` begins one anew.

The rule. A variant may become the default where it keeps the limits on the 1 mm brain (first sight of the network's 3
CPU seconds, end 20, memory 2 GB), was run on all cases that are decided on, and falls on none of them by more than the
spread: two standard errors of a difference of means over seeds, from the default's own SD over seeds on that case.
Where the default breaks a limit, the one with the highest mean over the decided cases is proposed, if it ties at least
(its mean is lower by .001 at most). Where the default keeps them, one whose mean is higher by more than the spread of
that mean, the highest first; failing that, one that ties in less than 90 % of the default's CPU time; else the default
stays. Real brains are clean: `auto` does not refine them, and they do not decide.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from accuracy import Case
from deep import brain, heart, one_slice, overlaps, preset_of, real, three_channels
from em import resident
from napari_gmmseg.config import FitConfig, PreparationConfig
from napari_gmmseg.fitting import fit
from napari_gmmseg.preparation import prepare_case
from napari_gmmseg.volumes import Segmentation
from study_variants import BY_NAME, COUNTS, DEFAULT, FLOOR, STEPS, VARIANTS, Variant

OUTPUT = Path(__file__).parent / "output"
Row = dict[str, Any]

#: Cases whose Dice decides.
DECIDED = ("t1_n9b0", "t1_n5b40", "pv_n9b0", "heart", "heart@1")
#: Cases that may be shown beside them.
SHOWN = ("t1_n5b0", "t1_n9b0@1", "pv_n5b0@1", "three channels", "philips", "ptbp 01")
#: The case of the limits.
BRAIN = "t1_n9b0"
LIMITS = {"first_deep_cpu_s": 3.0, "cpu_s": 20.0, "peak_mb": 2000.0}
NOISY = tuple(f"t1_n{noise}b0" for noise in (3, 5, 7, 9, 12, 15))
#: Standard errors that a difference has to be larger than.
SURE = 2.0
#: Dice by which a variant may be lower and still tie.
TIE = 0.001
#: Share of the default's CPU time below which a variant is the faster.
FASTER = 0.9


def case_of(name: str) -> Case | None:
    """Return a case by its name; None for a real brain that is not there."""
    image, _, seed = name.partition("@")
    if image == "heart":
        return heart(int(seed or 0))
    if image == "three channels":
        return three_channels()
    if image.startswith(("t1_", "pv_")):
        return brain(image, int(seed or 0))
    return real(image)


def fitted(case: Case, config: FitConfig) -> tuple[Segmentation, dict[str, float]]:
    """Fit without looking at the truth; return CPU and wall seconds to the first sight of the network's, too."""
    preset = preset_of(case)
    volume, prepared = prepare_case(
        case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=preset, n_classes=config.n_classes
    )
    cpu, wall = time.process_time(), time.perf_counter()
    seen: dict[str, float] = {}
    steps = fit(volume, prepared, config, preset)
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            return end.value, seen
        if report.preview is not None and report.phase == "Blind-spot prior" and not seen:
            seen = {"first_deep_cpu_s": time.process_time() - cpu, "first_deep_s": time.perf_counter() - wall}


def answered(case: Case, variant: Variant, seed: int) -> tuple[NDArray[np.uint8], Row]:
    """Return the labels of a variant, with what its first network told."""
    preset = preset_of(case)
    k = len(preset.classes) if preset.classes else 3
    config = FitConfig(**{"method": "blindspot", "threads": 1, "seed": seed, "n_classes": k, **variant.settings})
    result, told = fitted(case, config)
    told = {**told, "steps": result.steps, "noise_ratio": float(dict(result.provenance).get("noise ratio", math.nan))}
    labels = np.asarray(result.label_map.labels)
    if variant.members > 1:
        total = np.array(result.probabilities)
        for more in range(1, variant.members):
            total += fitted(case, replace(config, seed=seed + 1000 * more))[0].probabilities
        values = np.array([tissue.value for tissue in result.label_map.classes], dtype=np.uint8)
        labels = np.where(result.mask, values[total.argmax(0)], 0).astype(np.uint8)
    return labels, told


def measure(variant: Variant, name: str, seed: int) -> Row | None:
    """Run a variant on a case in this process; None where the case is not there."""
    case = case_of(name)
    if case is None:
        return None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    cpu, wall = time.process_time(), time.perf_counter()
    labels, told = answered(case, variant, seed)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    dice = np.diag(overlaps(labels, case.truth)).tolist()
    figures = {"cpu_s": cpu, "wall_s": wall, "peak_mb": resident("VmHWM"), **told}
    return {"variant": variant.name, "case": name, "seed": seed, "dice": dice, **figures}


def work(variant: Variant, cases: list[str], seed: int) -> None:
    """Run a variant on cases, and print a line of JSON for each."""
    torch.set_num_threads(1)
    variant.put_in_force()
    warm = one_slice(brain(BRAIN, 0), 75)
    answered(warm, replace(variant, members=1, settings={**variant.settings, "warm_steps": 1, "max_steps": 1}), 0)
    for name in cases:
        row = measure(variant, name, seed)
        if row is not None:
            print(json.dumps(row), flush=True)


def recorded(path: Path) -> dict[tuple[str, str, int], Row]:
    """Return what was measured, by variant, case and seed."""
    if not path.exists():
        return {}
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {(row["variant"], row["case"], row["seed"]): row for row in rows}


def run(variants: Iterable[Variant], cases: Iterable[str], seeds: Iterable[int], path: Path) -> None:
    """Run what is not recorded yet, and record it."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=OUTPUT.parent, capture_output=True, text=True, check=False
    ).stdout.strip()
    path.parent.mkdir(exist_ok=True)
    for seed in seeds:
        for variant in variants:
            done = recorded(path)
            wanted = [name for name in cases if not variant.cases or name in variant.cases]
            left = [name for name in wanted if (variant.name, name, seed) not in done]
            if not left:
                continue
            command = [sys.executable, __file__, "--work", variant.name, str(seed), *left]
            one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            variables = os.environ | variant.environment() | one
            with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    with path.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({**json.loads(line), "commit": commit}) + "\n")
            print(f"{variant.name}, seed {seed}: exit code {process.returncode}", file=sys.stderr, flush=True)


def mean_dice(row: Row) -> float:
    """Return the mean Dice over the classes of a run."""
    return float(np.mean(row["dice"]))


def commits_of(rows: Iterable[Row]) -> str:
    """Return under which commits runs were recorded, in their order."""
    return ", ".join(dict.fromkeys(row.get("commit") or "unknown" for row in rows))


def spreads(rows: Iterable[Row]) -> dict[str, float]:
    """Return the default's SD of Dice over seeds by case; where a case has one seed, the root mean square of all."""
    by_case = defaultdict(list)
    for row in rows:
        if row["variant"] == DEFAULT.name:
            by_case[row["case"]].append(mean_dice(row))
    found = {case: statistics.stdev(values) for case, values in by_case.items() if len(values) > 1}
    other = math.sqrt(statistics.mean(sd**2 for sd in found.values())) if found else math.nan
    return {case: found.get(case, other) for case in by_case}


class Comparison:
    """A variant beside the default, case by case, over the seeds that both were run with.

    Parameters
    ----------
    name : str
        The variant's.
    rows : list of Row
        All that was measured.
    sds : dict of str to float
        From `spreads`.
    """

    def __init__(self, name: str, rows: list[Row], sds: dict[str, float]) -> None:
        self.name = name
        default = {(row["case"], row["seed"]): row for row in rows if row["variant"] == DEFAULT.name}
        own = [row for row in rows if row["variant"] == name and (row["case"], row["seed"]) in default]
        pairs = [(row, default[row["case"], row["seed"]]) for row in own]
        #: Commits of its own runs and of the default's beside them.
        self.commits = commits_of(row for pair in pairs for row in pair)
        gains = defaultdict(list)
        for row, its in pairs:
            gains[row["case"]].append(mean_dice(row) - mean_dice(its))
        #: Mean gain in Dice over the default, by case.
        self.gains = {case: statistics.mean(values) for case, values in gains.items()}
        self.seeds = max((len(values) for values in gains.values()), default=0)
        errors = {case: math.sqrt(2 / len(values)) * sds[case] for case, values in gains.items()}
        here = [case for case in DECIDED if case in self.gains]
        self.complete = len(here) == len(DECIDED)
        #: Mean over the decided cases, and what it has to be larger than.
        self.gain = statistics.mean(self.gains[case] for case in here) if here else math.nan
        self.spread = SURE * math.sqrt(sum(errors[case] ** 2 for case in here)) / max(len(here), 1)
        self.falls = [case for case in here if self.gains[case] < -SURE * errors[case]]
        brains = [row for row in own if row["case"] == BRAIN]
        its = [row for (case, _), row in default.items() if case == BRAIN]
        #: What is limited, on the brain of the limits: its own figures, and the default's.
        self.costs, self.before = _limited(brains or own), _limited(its)
        #: CPU time as a share of the default's.
        self.share = sum(row["cpu_s"] for row in own) / max(sum(its["cpu_s"] for _, its in pairs), 1e-9)

    @property
    def allowed(self) -> bool:
        """Whether it keeps the limits, and falls on no decided case."""
        return self.complete and not self.falls and _kept(self.costs)


def _limited(rows: list[Row]) -> dict[str, float]:
    return {key: statistics.median(row.get(key, math.nan) for row in rows or [{}]) for key in LIMITS}


def _kept(costs: dict[str, float]) -> bool:
    return all(costs[key] <= most for key, most in LIMITS.items())


def proposed(comparisons: list[Comparison]) -> tuple[str, str]:
    """Return which variant the rule proposes, and why."""
    allowed = [found for found in comparisons if found.allowed]
    ties = [found for found in allowed if found.gain >= -TIE]
    if ties and not _kept(ties[0].before):
        best = max(ties, key=lambda found: found.gain)
        return best.name, f"the best that keeps the limits, which the default does not ({best.gain:+.4f})"
    better = [found for found in allowed if found.gain > found.spread]
    if better:
        best = max(better, key=lambda found: found.gain)
        return best.name, f"better by {best.gain:.4f}, more than the spread of {best.spread:.4f}"
    faster = [found for found in ties if found.share < FASTER]
    if faster:
        best = min(faster, key=lambda found: found.share)
        return best.name, f"as good ({best.gain:+.4f}), in {best.share:.0%} of the CPU time"
    return DEFAULT.name, "no variant is better by more than the spread, or as good and faster"


def default_table(rows: list[Row], cases: list[str]) -> Iterator[str]:
    """Yield what the default reaches and costs, beside the spatial mixture."""
    sds = spreads(rows)
    heads = "case | spatial | default | SD | seeds | by class | CPU s | wall s | first sight, CPU s | peak MB | commits"
    yield f"| {heads} |"
    yield "|---" * 11 + "|"
    for case in cases:
        own = [row for row in rows if row["case"] == case and row["variant"] == DEFAULT.name]
        floor = [row for row in rows if row["case"] == case and row["variant"] == FLOOR.name]
        if not own:
            continue
        middle = [statistics.median(row[key] for row in own) for key in ("cpu_s", "wall_s", "first_deep_cpu_s")]
        dice = " ".join(f"{statistics.mean(column):.3f}" for column in zip(*(row["dice"] for row in own), strict=True))
        spatial = f"{mean_dice(floor[0]):.4f}" if floor else "-"
        mean = statistics.mean(mean_dice(row) for row in own)
        sd = f"{sds[case]:.4f}" if len(own) > 1 else "-"
        times = " | ".join(f"{value:.1f}" for value in middle)
        peak = statistics.median(row["peak_mb"] for row in own)
        commits = commits_of([*floor, *own])
        yield f"| {case} | {spatial} | {mean:.4f} | {sd} | {len(own)} | {dice} | {times} | {peak:.0f} | {commits} |"


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the tables of what was measured, and the proposal."""
    cases = [case for case in (*DECIDED, *SHOWN) if any(row["case"] == case for row in rows)]
    sds = spreads(rows)
    known = (variant.name for variant in VARIANTS if variant not in (DEFAULT, FLOOR))
    run_too = {row["variant"] for row in rows}
    comparisons = [found for name in known if name in run_too and (found := Comparison(name, rows, sds)).gains]
    yield "The default over its seeds, and the spatial mixture:\n"
    yield from default_table(rows, cases)
    yield "\nGain in Dice over the default, case by case over the same seeds (thousandths):\n"
    yield (
        f"| variant | seeds | {' | '.join(cases)} | **mean of the decided** | spread | CPU | first sight, CPU s "
        "| peak MB | allowed | commits |"
    )
    yield "|---" * (len(cases) + 9) + "|"
    for found in comparisons:
        gains = " | ".join(f"{1000 * found.gains[case]:+.1f}" if case in found.gains else "-" for case in cases)
        allowed = "yes" if found.allowed else "not run on all" if not found.complete else "no"
        yield (
            f"| {found.name} | {found.seeds} | {gains} | **{1000 * found.gain:+.1f}** | {1000 * found.spread:.1f} "
            f"| {found.share:.0%} | {found.costs['first_deep_cpu_s']:.1f} | {found.costs['peak_mb']:.0f} | {allowed} "
            f"| {found.commits} |"
        )
    name, why = proposed(comparisons)
    yield f"\nProposed: **{name}**: {why}."


def noise_table(rows: list[Row]) -> Iterator[str]:
    """Yield Dice against steps on brains of several noises, the mean over seeds."""
    by_run = defaultdict(list)
    for row in rows:
        by_run[row["case"], row["variant"]].append(row)
    yield f"| brain | noise ratio | spatial | {' | '.join(f'{n} steps' for n in COUNTS)} | seeds | commits |"
    yield "|---" * (len(COUNTS) + 5) + "|"
    for case in NOISY:
        found = [by_run[case, name] for name in (FLOOR.name, *(variant.name for variant in STEPS))]
        cells = [f"{statistics.mean(map(mean_dice, runs)):.4f}" if runs else "-" for runs in found]
        ratio = found[0][0]["noise_ratio"] if found[0] else math.nan
        seeds = " ".join(str(len(runs)) for runs in found[1:])
        commits = commits_of(row for runs in found for row in runs)
        yield f"| {case} | {ratio:.3f} | {' | '.join(cells)} | {seeds} | {commits or '-'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", default=[variant.name for variant in VARIANTS], metavar="NAME")
    parser.add_argument("--cases", nargs="+", default=list(DECIDED), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--noise", action="store_true", help="steps on brains of several noises instead")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--json", type=Path, default=OUTPUT / "study_default.jsonl", help="where runs are recorded")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        name, seed, *cases = options.work
        work(BY_NAME[name], cases, int(seed))
        return
    if not options.table and options.noise:
        run((FLOOR,), NOISY, (0,), options.json)
        run(STEPS, NOISY, options.seeds, options.json)
    elif not options.table:
        run([BY_NAME[name] for name in options.variants], options.cases, options.seeds, options.json)
    rows = list(recorded(options.json).values())
    print(*(noise_table(rows) if options.noise else table(rows)), sep="\n")


if __name__ == "__main__":
    main()
