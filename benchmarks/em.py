"""EM against scikit-learn on the 1.88 million brain voxels of the 1 mm MNI152 template, K = 3.

One channel (the T1), and three (the T1 and two contrasts that ``default_rng(1)`` mixes from the tissue maps, noise
5 %), diagonal and full. Both engines start from the same k-means mixture and stop at the same tolerance; scikit-learn
works in float64. Every measurement is a process of its own, so ours is cold: what the first use costs is in its time.

    python benchmarks/em.py [--repeats 3] [--tolerance 1e-6] [--cases t1 diagonal full] [--without-scikit-learn]

CPU s is ``time.process_time`` of the fit alone; MB is the peak of the resident memory above that before the fit, the
image loaded; nat/voxel is the log-likelihood of the result over all voxels in float64; same labels, the share of voxels
labelled as by scikit-learn's parameters. Plain EM over every voxel is shown for comparison.
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
FIELDS = ("mixing_weights", "means", "covariances", "class_of")
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


def measure(case: str, engine: str, folder: Path, tolerance: float) -> dict[str, Any]:
    """Fit once in this process, and return the figures."""
    from napari_gmmseg.mixture import em, mean_log_likelihood, run_em
    from napari_gmmseg.volumes import Mixture

    covariance, n_channels = CASES[case]
    samples = np.ascontiguousarray(np.load(folder / "channels.npy")[:n_channels])
    start = Mixture(**np.load(folder / f"{case}.npz"))
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
        "mixture": [np.asarray(getattr(mixture, field)).tolist() for field in FIELDS],
    }


def in_new_process(case: str, engine: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure once in a process of its own."""
    command = [sys.executable, __file__, "--measure", case, engine, str(folder), "--tolerance", str(options.tolerance)]
    variables = os.environ | {
        name: str(options.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    }
    answer = subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout
    figures: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return figures


def labels_of(row: dict[str, Any], samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the labels (N,) that a measured mixture gives."""
    from napari_gmmseg.mixture import most_likely_class
    from napari_gmmseg.volumes import Mixture

    fields = {field: np.array(value) for field, value in zip(FIELDS, row["mixture"], strict=True)}
    labels: NDArray[np.uint8] = most_likely_class(Mixture(**fields), samples).numpy()
    return labels


def write_start(case: str, channels: NDArray[np.float32], folder: Path) -> float:
    """Write the start of a case, and return the CPU seconds that finding it took."""
    from napari_gmmseg.mixture import initial_mixture

    covariance, n_channels = CASES[case]
    kind = "full" if covariance == "full" else "diagonal"
    cpu = time.process_time()
    start = initial_mixture(channels[:n_channels], (1, 1, 1), covariance=kind)
    cpu = time.process_time() - cpu
    np.savez(folder / f"{case}.npz", **{field: np.asarray(getattr(start, field)) for field in FIELDS})
    return cpu


def compare(case: str, channels: NDArray[np.float32], folder: Path, options: argparse.Namespace) -> None:
    """Measure all engines on a case, one after the other, and print their rows."""
    reference: dict[str, Any] | None = None
    found = statistics.median(write_start(case, channels, folder) for _ in range(3))
    print(f"| {case} | start by k-means++ | {found:.3f} | | | | | | | | 3 |", flush=True)
    samples = channels[: CASES[case][1]]
    for engine in ENGINES:
        if engine == "scikit-learn" and options.without_scikit_learn:
            continue
        repeats = options.repeats if engine != "scikit-learn" else options.scikit_learn_repeats
        runs = [in_new_process(case, engine, folder, options) for _ in range(repeats)]
        row = runs[0] | {key: statistics.median(run[key] for run in runs) for key in ("cpu", "wall", "mb")}
        reference = row if engine == "scikit-learn" else reference
        against = ["-"] * 3
        if reference is not None:
            same = float((labels_of(row, samples) == labels_of(reference, samples)).mean())
            against = [f"{reference['cpu'] / row['cpu']:.0f} x", f"{row['nat'] - reference['nat']:+.1e}", f"{same:.3%}"]
        print(
            f"| {case} | {engine} | {row['cpu']:.3f} | {against[0]} | {row['wall']:.3f} | {row['mb']:.0f} "
            f"| {row['steps']} | {row['nat']:.6f} | {against[1]} | {against[2]} | {len(runs)} |",
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
    parser.add_argument("--measure", nargs=3, metavar=("CASE", "ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        case, engine, folder = options.measure
        print(json.dumps(measure(case, engine, Path(folder), options.tolerance)))
        return
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        channels = brain_channels()
        np.save(Path(folder) / "channels.npy", channels)
        print(f"{channels.shape[1]} voxels, K = 3, tolerance {options.tolerance:g}, {options.threads} thread(s)\n")
        print("| case | engine | CPU s | ratio | wall s | MB | steps | nat/voxel | against | same labels | runs |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        for case in options.cases:
            compare(case, channels, Path(folder), options)


if __name__ == "__main__":
    main()
