"""The exact EM sweep against what the machine allows: exponentials a second, and memory bandwidth, in the same run.

    python benchmarks/roofline.py [--repeats 9] [--threads 1 2] [--voxels 1880000]

A sweep is one pass over every voxel: densities, responsibilities, log-likelihood and sufficient statistics, without a
histogram and without priors. Its floor is the longer of two times: K exponentials a voxel as fast as torch works them
out on an array that stays in the cache (a chunk of the sweep's own size), and 4 C bytes a voxel as fast as a sum reads
an array of 256 MB. Both are measured before and after the sweeps, and the faster counts. Each figure is the median of
the repeats, cases taken in turn. CPU ms is the time of all threads together, which others on the machine disturb less;
the floor's is that of the same exponentials.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from napari_gmmseg.mixture.initialisation import initial_mixture
from napari_gmmseg.mixture.observations import Voxels
from napari_gmmseg.mixture.quadratic import QuadraticFeatures, log_weights
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.sweep import Sweeper
from napari_gmmseg.mixture.tensors import chunk_size

CASES = (("C = 1", 1, False), ("C = 3 diagonal", 3, False), ("C = 3 full", 3, True))
K = 3


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return wall and CPU seconds, medians."""
    work()
    wall, cpu = [], []
    for _ in range(repeats):
        w, c = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - w)
        cpu.append(time.process_time() - c)
    return statistics.median(wall), statistics.median(cpu)


def exponentials(n: int, repeats: int, threads: int) -> tuple[float, float]:
    """Return wall and CPU seconds of n exponentials, in the cache."""
    at_once = K * chunk_size(torch.device("cpu")) * threads
    x = torch.rand(at_once).neg_()
    out = torch.empty_like(x)
    rounds = -(-n // at_once)

    def work() -> None:
        for _ in range(rounds):
            torch.exp(x, out=out)

    wall, cpu = timed(work, repeats)
    return wall * n / (rounds * at_once), cpu * n / (rounds * at_once)


def reading(n_bytes: int, repeats: int) -> tuple[float, float]:
    """Return wall and CPU seconds of reading so many bytes, from memory."""
    large = torch.ones(1 << 26)
    wall, cpu = timed(large.sum, repeats)
    return wall * n_bytes / (4 * large.numel()), cpu * n_bytes / (4 * large.numel())


def sweep(channels: int, *, full: bool, n: int) -> Callable[[], object]:
    """Return one sweep over n voxels of three tissues."""
    rng = np.random.default_rng(0)
    tissue = rng.integers(0, 3, n)
    means = np.stack([rng.permutation(3) if c else np.arange(3) for c in range(channels)]).astype(np.float32)
    x = torch.from_numpy((means[:, tissue] + rng.normal(0, 0.2, (channels, n))).astype(np.float32))
    quadratic = QuadraticFeatures(Standardisation.of_samples(x), full=full)
    start = quadratic.standardisation.inward(initial_mixture(x, (1,) * K, covariance="full" if full else "diagonal"))
    coefficients = quadratic.coefficients(start, log_weights(start))
    sweeper = Sweeper(Voxels(x, quadratic), start.class_of)
    return lambda: sweeper(coefficients)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--voxels", type=int, default=1_880_000)
    told = parser.parse_args()
    n = told.voxels
    sweeps = [(name, channels, sweep(channels, full=full, n=n)) for name, channels, full in CASES]
    print("| threads | case | sweep, wall ms (CPU) | exp, ms (CPU) | memory, ms (CPU) | sweep / floor, wall (CPU) |")
    print("|---|---|---|---|---|---|")
    for threads in told.threads:
        torch.set_num_threads(threads)
        floors = [(exponentials(K * n, told.repeats, threads), reading(4 * n, told.repeats))]
        times = [timed(work, told.repeats) for _, _, work in sweeps]
        floors.append((exponentials(K * n, told.repeats, threads), reading(4 * n, told.repeats)))
        (exp_wall, exp_cpu), (read_wall, read_cpu) = (
            (min(one[i][0] for one in floors), min(one[i][1] for one in floors)) for i in (0, 1)
        )
        for (name, channels, _), (wall, cpu) in zip(sweeps, times, strict=True):
            floor, floor_cpu = max(exp_wall, channels * read_wall), max(exp_cpu, channels * read_cpu)
            cells = [f"{1e3 * wall:.1f} ({1e3 * cpu:.1f})", f"{1e3 * exp_wall:.1f} ({1e3 * exp_cpu:.1f})"]
            cells.append(f"{1e3 * channels * read_wall:.1f} ({1e3 * channels * read_cpu:.1f})")
            cells.append(f"{wall / floor:.1f} ({cpu / floor_cpu:.1f})")
            print(f"| {threads} | {name} | {' | '.join(cells)} |")
        print(
            f"{K * n / exp_wall / 1e9:.2f} G exponentials/s, {4 * n / read_wall / 1e9:.1f} GB/s on {threads} threads",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
