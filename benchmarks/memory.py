"""Memory of a fit above its image: measured peaks beside the planner's prediction, each in a process of its own.

    python benchmarks/memory.py [--device cuda] [--only spatial blindspot] [--json output/memory.json]

On the processor the peak is the resident memory's high-water mark (VmHWM of Linux, set back before the fit) less what
was resident before the fit, with image and mask in memory and one small fit of the same kind done; on a card it is
torch's own count. Networks take six steps: their memory does not grow with steps. The image is smooth noise inside an
ellipsoid that fills its box; the box is most of the grid.

``--fit`` prints the constants of `napari_gmmseg.config.memory` as non-negative least squares of log(predicted /
measured) give them: one fit a mixture, one for all networks together; the maps of the result on the whole grid and the
16 bytes a weight are given, not fitted. The constants do not come from the cases of ``--check``.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

MEGA = 1e6
SMALL, MIDDLE, LARGE = (48, 96, 96), (80, 128, 112), (112, 176, 160)
#: Maps a class on the whole grid that a result of each network holds.
RESULTS = {"deepg": 1.0, "deepsvg": 2.0, "blindspot": 2.0, "auto": 3.0}
NETWORK: dict[str, Any] = {"warm_steps": 3, "max_steps": 6}


@dataclass(frozen=True)
class Setting:
    """A case and how it is fitted."""

    grid: tuple[int, int, int]
    settings: dict[str, Any]
    n_channels: int = 1
    margin: int = 4


def all_settings() -> list[Setting]:
    """Three sizes a method, and each of the other quantities varied."""
    found = []
    for grid in (SMALL, MIDDLE, LARGE):
        found += [Setting(grid, {"method": method}) for method in ("gmm", "svgmm", "spatial")]
        found += [Setting(grid, {"method": method, **NETWORK}) for method in ("deepg", "deepsvg", "blindspot", "auto")]
        found.append(Setting(grid, {"method": "spatial"}, n_channels=2))
        found.append(Setting(grid, {"method": "deepsvg", "view": "3d", **NETWORK}))
        found.append(Setting((1, 2 * grid[1], 2 * grid[2]), {"method": "blindspot", **NETWORK}))
        found.append(Setting((1, *grid[1:]), {"method": "deepsvg", "recipe": "paper", "max_steps": 6}))
    found += [Setting(MIDDLE, {"method": "spatial", "n_classes": k}) for k in (2, 6)]
    found += [Setting(MIDDLE, {"method": "blindspot", "n_classes": 6, **NETWORK})]
    found += [Setting(MIDDLE, {"method": "blindspot", **NETWORK}, n_channels=4)]
    found += [Setting(MIDDLE, {"method": "deepsvg", "width": 32, **NETWORK})]
    found += [Setting(MIDDLE, {"method": "deepsvg", "width": 16, "depth": 4, **NETWORK})]
    found += [Setting(MIDDLE, {"method": "deepsvg", "view": "2d", **NETWORK})]
    found += [Setting(MIDDLE, {"method": "deepsvg", "precision": "float32", "width": 32, **NETWORK})]
    found += [Setting(MIDDLE, {"method": "deepsvg", "precision": "bfloat16", "width": 32, **NETWORK})]
    found += [Setting(MIDDLE, {"method": "deepsvg", "view": "3d", "width": 16, **NETWORK})]
    return found


def checks() -> list[Setting]:
    """Cases of other sizes, channels and classes than those that the constants are fitted to."""
    return [
        Setting((96, 120, 104), {"method": "gmm", "n_classes": 5}, n_channels=3),
        Setting((96, 120, 104), {"method": "svgmm", "n_classes": 4}, n_channels=2),
        Setting((96, 120, 104), {"method": "spatial", "n_classes": 4}, n_channels=4),
        Setting((120, 152, 136), {"method": "spatial"}),
        Setting((96, 120, 104), {"method": "auto", "n_classes": 4, **NETWORK}, n_channels=2),
        Setting((96, 120, 104), {"method": "deepg", "n_classes": 5, "width": 16, **NETWORK}, margin=24),
        Setting((96, 120, 104), {"method": "deepsvg", "view": "3d", "depth": 3, **NETWORK}, n_channels=2),
        Setting((12, 240, 208), {"method": "blindspot", "n_classes": 4, "width": 24, **NETWORK}),
        Setting((64, 96, 88), {"method": "deepsvg", "recipe": "paper", "view": "3d", "width": 16, "max_steps": 4}),
        Setting((1, 200, 260), {"method": "deepsvg", "recipe": "paper", "width": 24, "max_steps": 6}, n_channels=2),
    ]


def fit_constants(rows: list[dict[str, Any]]) -> None:
    """Print the constants that measured rows give."""
    from scipy.optimize import least_squares

    from napari_gmmseg.config import FitConfig, memory

    def sizes(row: dict[str, Any]) -> Any:
        config = FitConfig(**row["settings"])
        low, channels = bool(row["low"]), row["n_channels"]
        return memory.Footprint.of(row["grid"], row["box"], channels, config, (1.0, 1.0, 1.0), low=low)

    def held(row: dict[str, Any], constants: Any) -> float:
        memory.CONSTANTS[row["settings"]["method"]] = memory.Constants(*constants)
        return float(np.log(sizes(row).peak() / row["measured"]))

    for method in ("gmm", "svgmm", "spatial"):
        own = [row for row in rows if row["settings"]["method"] == method]
        # With three classes and one channel only, classes and channels cannot be told apart: 1.5 maps a channel.
        free = method == "spatial"
        found = least_squares(
            lambda p, own=own, free=free: [held(row, (p[0], p[2] if free else 1.5, 0.0, 1.0, p[1])) for row in own],
            [2.0, 4.0, 4.0],
            bounds=(0, 40),
            diff_step=1e-3,  # peaks are whole bytes
        )
        print(method, found.x.round(2), "ratios", np.exp(found.fun).round(2))
    deep = [row for row in rows if row["settings"]["method"] in RESULTS]

    def of_networks(p: Any) -> list[float]:
        memory.ACTIVATIONS |= {("light", 2): p[0], ("light", 3): p[1], ("published", 2): p[2]}
        memory.LOW_SHARE = p[3]
        maps = dict(zip(RESULTS, p[7:], strict=True))
        names = [row["settings"]["method"] for row in deep]
        return [held(row, (maps[m], p[4], p[5], RESULTS[m], p[6])) for row, m in zip(deep, names, strict=True)]

    found = least_squares(of_networks, [14, 14, 14, 0.7, 2, 2, 1, 7, 7, 5, 5], bounds=(0, 40), diff_step=1e-3)
    print("light 2-D, 3-D, published, share of bfloat16, channel maps, maps, base, class maps of", *RESULTS)
    print(found.x.round(2), "ratios", np.exp(found.fun).round(2))


def make_case(setting: Setting, config: Any) -> tuple[Any, Any, Any]:
    """Return volume, prepared mask and preset."""
    from napari_gmmseg.config import PreparationConfig, find_preset
    from napari_gmmseg.preparation import prepare
    from napari_gmmseg.volumes import Volume

    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.standard_normal(setting.grid).astype(np.float32), 3)
    smooth /= smooth.std()
    edges = np.quantile(smooth, np.arange(1, config.n_classes) / config.n_classes)
    classes = np.digitize(smooth, edges).astype(np.float32)
    data = np.stack([classes + 0.25 * rng.standard_normal(setting.grid) for _ in range(setting.n_channels)])
    axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in (max(n - setting.margin, 1) for n in setting.grid)]
    inside = sum(x**2 for x in np.meshgrid(*axes, indexing="ij")) <= 1
    mask = np.zeros(setting.grid, dtype=bool)
    mask[tuple(slice(0, n) for n in inside.shape)] = inside
    preset = find_preset("custom")
    names = tuple(f"c{c}" for c in range(setting.n_channels))
    volume = Volume.from_array(data.astype(np.float32), (1.0, 1.0, 1.0), names)
    return volume, prepare(volume, PreparationConfig(mask="given"), mask=mask, preset=preset), preset


def measure(setting: Setting, device: str) -> dict[str, Any]:
    """Fit once, and return measured and predicted bytes."""
    import torch

    from napari_gmmseg.config import FitConfig
    from napari_gmmseg.config.memory import Footprint
    from napari_gmmseg.fitting import fit
    from napari_gmmseg.fitting.deep.training import multiplies_bfloat16_fast

    config = FitConfig(threads=1, device=device, **setting.settings)
    small = Setting(tuple(min(n, 24) for n in setting.grid), setting.settings, setting.n_channels)  # type: ignore[arg-type]
    warm = fit(*_of(make_case(small, config), config))
    run_out(warm)
    case = make_case(setting, config)
    gc.collect()
    # What the small fit gave back to the heap would be taken from there, and not be seen.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = resident("VmRSS")
    if device == "cpu":
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    else:
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    run_out(fit(*_of(case, config)))
    peak = resident("VmHWM") if device == "cpu" else torch.cuda.max_memory_allocated()
    volume, prepared, _ = case
    low = multiplies_bfloat16_fast(torch.device(device))
    crop = tuple(part.stop - part.start for part in prepared.crop)
    told = Footprint.of(volume.grid_shape, crop, volume.n_channels, config, volume.geometry.spacing, low=low)
    return {
        "measured": peak - before,
        "predicted": told.peak(),
        "box": crop,
        "mask": float(prepared.mask.sum()),
        "voxels": float(prepared.mask.size),
        "low": float(low),
    }


def _of(case: tuple[Any, Any, Any], config: Any) -> tuple[Any, Any, Any, Any]:
    volume, prepared, preset = case
    return volume, prepared, config, preset


def run_out(steps: Any) -> Any:
    """Run a fit to its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def resident(name: str) -> int:
    """Return a line of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--fit", type=Path, metavar="JSON", help="fit the constants to measured rows")
    parser.add_argument("--check", action="store_true", help="measure cases that the constants do not come from")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(Setting(**json.loads(args.one)), args.device)))
        return 0
    if args.fit:
        fit_constants(json.loads(args.fit.read_text(encoding="utf-8")))
        return 0
    rows = []
    print("| method | grid | C | settings | box [Mvoxel] | measured [MB] | predicted [MB] | ratio |")
    print("|---" * 8 + "|")
    for setting in checks() if args.check else all_settings():
        if args.only and setting.settings["method"] not in args.only:
            continue
        command = [sys.executable, __file__, "--device", args.device, "--one", json.dumps(asdict(setting))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        rows.append({**asdict(setting), **found})
        more = {k: v for k, v in setting.settings.items() if k not in ("method", "warm_steps", "max_steps")}
        words = " ".join(f"{k}={v}" for k, v in more.items())
        box = math.prod(found["box"])
        print(
            f"| {setting.settings['method']} | {'×'.join(map(str, setting.grid))} | {setting.n_channels} | {words} "
            f"| {box / MEGA:.2f} | {found['measured'] / MEGA:.0f} | {found['predicted'] / MEGA:.0f} "
            f"| {found['predicted'] / max(found['measured'], 1):.2f} |",
            flush=True,
        )
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
