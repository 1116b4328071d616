"""EM against scikit-learn on the 1.88 million brain voxels of the 1 mm MNI152 template, K = 3.

One channel (the T1), and three (the T1 and two contrasts that ``default_rng(1)`` mixes from the tissue maps, noise
5 %), diagonal and full. Both engines start from the same k-means mixture and stop at the same tolerance; scikit-learn
works in float64. Every measurement is a process of its own, so ours is cold: what the first use costs is in its time.

    python benchmarks/em.py [--repeats 3] [--tolerance 1e-6] [--cases t1 diagonal full] [--without-scikit-learn]

CPU s is ``time.process_time`` of the fit alone; MB is the peak of the resident memory above that before the fit, the
image loaded; nat/voxel is the log-likelihood of the result over all voxels in float64.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CASES = {"t1": ("diagonal", 1), "diagonal": ("diagonal", 3), "full": ("full", 3)}
ENGINES = ("scikit-learn", "every-voxel", "napari-gmmseg")


def brain_channels() -> NDArray[np.float32]:
    """Return the channels (3, N) float32, in units of the T1's maximum."""
    from nilearn import datasets

    mask = datasets.load_mni152_brain_mask(resolution=1).get_fdata() > 0
    t1, grey, white = (
        load(resolution=1).get_fdata(dtype=np.float32)
        for load in (
            datasets.load_mni152_template,
            datasets.load_mni152_gm_template,
            datasets.load_mni152_wm_template,
        )
    )
    grey, white = (grey / grey.max())[mask], (white / white.max())[mask]
    maps = np.stack([np.clip(1 - grey - white, 0, 1), grey, white])
    maps /= maps.sum(0)
    rng = np.random.default_rng(1)
    channels = [t1[mask] / t1[mask].max()]
    for _ in range(2):
        channels.append(rng.uniform(0.2, 1, 3) @ maps + rng.normal(0, 0.05, maps.shape[1]))
    return np.stack(channels).astype(np.float32)


def resident(field: str) -> float:
    """Return a field of /proc/self/status in MB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure(case: str, engine: str, path: Path, tolerance: float) -> dict[str, Any]:
    """Fit once in this process, and return the figures."""
    import torch

    from napari_gmmseg.mixture import em, initial_mixture, mean_log_likelihood, run_em
    from napari_gmmseg.volumes import Mixture

    covariance, n_channels = CASES[case]
    samples = np.ascontiguousarray(np.load(path)[:n_channels])
    thin = samples[:, ::37]
    start = initial_mixture(thin, (1, 1, 1), covariance="full" if covariance == "full" else "diagonal")
    if engine == "scikit-learn":
        from sklearn.mixture import GaussianMixture

        data = samples.T.astype(np.float64)
        precisions = np.linalg.inv(start.covariances)
        model = GaussianMixture(
            3,
            covariance_type="full" if covariance == "full" else "diag",
            tol=tolerance,
            max_iter=2000,
            weights_init=start.mixing_weights,
            means_init=start.means,
            precisions_init=precisions if covariance == "full" else np.einsum("gii->gi", precisions),
        )
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, wall, cpu = resident("VmRSS"), time.perf_counter(), time.process_time()
    if engine == "scikit-learn":
        model.fit(data)
        steps, converged = int(model.n_iter_), bool(model.converged_)
    else:
        route = "auto" if engine == "napari-gmmseg" else "every-voxel"
        kind = "full" if covariance == "full" else "diagonal"
        result = run_em(em(samples, start, covariance=kind, tolerance=tolerance, max_steps=2000, route=route))
        steps, converged, mixture = result.steps, result.converged, result.mixture
    cpu, wall, above = time.process_time() - cpu, time.perf_counter() - wall, resident("VmHWM") - before
    if engine == "scikit-learn":
        covariances = model.covariances_ if covariance == "full" else np.stack([np.diag(v) for v in model.covariances_])
        mixture = Mixture(model.weights_, model.means_, covariances, np.arange(3))
    return {
        "case": case,
        "engine": engine,
        "cpu": cpu,
        "wall": wall,
        "mb": above,
        "steps": steps,
        "converged": converged,
        "nat": mean_log_likelihood(mixture, samples),
        "threads": torch.get_num_threads(),
    }


def in_new_process(case: str, engine: str, path: Path, tolerance: float, threads: int) -> dict[str, Any]:
    """Measure once in a process of its own."""
    command = [sys.executable, __file__, "--measure", case, engine, str(path), "--tolerance", str(tolerance)]
    variables = os.environ | {
        name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    }
    answer = subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout
    figures: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return figures


def compare(case: str, path: Path, options: argparse.Namespace) -> None:
    """Measure all engines on a case, one after the other, and print their rows."""
    reference: dict[str, Any] | None = None
    for engine in ENGINES:
        if engine == "scikit-learn" and options.without_scikit_learn:
            continue
        repeats = options.repeats if engine != "scikit-learn" else options.scikit_learn_repeats
        runs = [in_new_process(case, engine, path, options.tolerance, options.threads) for _ in range(repeats)]
        row = runs[0] | {key: statistics.median(run[key] for run in runs) for key in ("cpu", "wall", "mb")}
        reference = row if engine == "scikit-learn" else reference
        ratio = f"{reference['cpu'] / row['cpu']:.0f} x" if reference else "-"
        lead = f"{row['nat'] - reference['nat']:+.1e}" if reference else "-"
        print(
            f"| {case} | {engine} | {row['cpu']:.3f} | {ratio} | {row['wall']:.3f} | {row['mb']:.0f} | {row['steps']} "
            f"| {row['nat']:.6f} | {lead} | {len(runs)} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scikit-learn-repeats", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=1e-6, help="nat per voxel")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--without-scikit-learn", action="store_true")
    parser.add_argument("--measure", nargs=3, metavar=("CASE", "ENGINE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        case, engine, file = options.measure
        print(json.dumps(measure(case, engine, Path(file), options.tolerance)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "channels.npy"
        channels = brain_channels()
        np.save(path, channels)
        print(f"{channels.shape[1]} voxels, K = 3, tolerance {options.tolerance:g}, {options.threads} thread(s)\n")
        print("| case | engine | CPU s | ratio | wall s | MB | steps | nat/voxel | against | runs |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for case in options.cases:
            compare(case, path, options)


if __name__ == "__main__":
    main()
