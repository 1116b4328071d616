"""The default, its parts and its transfers on a graphics card: one command, which says so where there is none.

    python benchmarks/gpu.py [--repeats 5] [--only default parts step transfer] [--device cuda:0]

default: the method that comes without a choice on the 1 mm brain: first mask, first sight of the network's, the end,
the peak of the card's memory, and Dice; the limit is 3 s to the end. parts: EM (ten plain sweeps over every voxel of
one and three channels), the spatial mixture and a pass through the network, beside one thread of the processor.
step: a training step in float32 without and with TF32, and in bfloat16; and the network's forward and backward pass as
the program has it, compiled, and as a CUDA graph: the last two are not in the program, and would have to pay here
first. transfer: the class maps of a brain from the card into pageable and into pinned memory, with the pinning and
without.

Each is run once before it counts; the card has finished before a clock is read; figures are medians. Without a card
nothing is measured, and the exit code is 0. ``--device cpu`` runs the same code on the processor, to try it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from accuracy import Case
from deep import brain, one_slice, overlaps, three_channels
from deep_curves import end_of
from deep_steps import PROCESSOR, parts_of, task_of
from default_brain import timed
from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.deep import Precision
from napari_gmmseg.fitting.deep.training import draw_axes
from napari_gmmseg.fitting.methods import fit_spatial
from napari_gmmseg.mixture import em, initial_mixture, run_em

#: Seconds to the end of the default on the 1 mm brain.
LIMIT = 3.0
PARTS = ("default", "parts", "step", "transfer")
#: Plain EM sweeps that are timed together.
SWEEPS = 10


def card() -> torch.device | None:
    """Return the graphics card that torch sees; None where it sees none."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else None


def named(device: torch.device) -> str:
    """Return what a device is called."""
    if device.type != "cuda":
        return device.type
    told = torch.cuda.get_device_properties(device)
    return (
        f"{told.name}, {told.total_memory / 1e9:.0f} GB, compute {told.major}.{told.minor}, CUDA {torch.version.cuda}"
    )


def finish(device: torch.device) -> None:
    """Wait until a device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def milliseconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median wall ms of something, after once that does not count."""
    taken = []
    for _ in range(repeats + 1):
        finish(device)
        began = time.perf_counter()
        work()
        finish(device)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken[1:])


@contextmanager
def tf32(*, on: bool) -> Iterator[None]:
    """Let products of float32 on the card be computed in TF32, or not."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = on
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def time_the_default(device: torch.device, repeats: int, case: Case) -> None:
    """Print when masks come, and what the card's memory holds at most."""
    found: list[dict[str, float]] = []
    for number in range(repeats + 1):
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        result, times = timed(case, FitConfig(device=str(device)))
        peak = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else float("nan")
        dice = float(np.diag(overlaps(np.asarray(result.label_map.labels), case.truth)).mean())
        if number:
            found.append({**times, "mb": peak, "dice": dice})
    row = {name: statistics.median(run[name] for run in found) for name in found[0]}
    seconds = " | ".join(f"{row[name]:.2f}" for name in ("first_mask_s", "first_deep_s", "wall_s"))
    print(
        "| image | first mask s | first of the network s | last s | MB on the card | Dice | within 3 s |\n"
        + "|---" * 7
        + "|"
    )
    kept = "yes" if row["wall_s"] <= LIMIT else "no"
    print(f"| {case.name} | {seconds} | {row['mb']:.0f} | {row['dice']:.4f} | {kept} |", flush=True)


def works_on(device: torch.device, case: Case, several: Case) -> dict[str, Callable[[], object]]:
    """Return the parts of a fit on a device."""
    works: dict[str, Callable[[], object]] = {}
    for image in (case, several):
        samples = task_of(image, FitConfig(device=str(device)), device).samples()
        start = initial_mixture(samples.cpu(), (1, 1, 1), initialisation="quantiles")
        works[f"{SWEEPS} EM sweeps over every voxel, C = {len(samples)}"] = lambda x=samples, m=start: run_em(
            em(x, m, route="every-voxel", tolerance=1e-12, max_steps=SWEEPS)
        )
    task = task_of(case, FitConfig(method="spatial", device=str(device)), device)
    works["the spatial mixture"] = lambda: end_of(fit_spatial(task))
    deep, trainer, _, _ = parts_of("blindspot", case, device)
    total = torch.zeros((deep.n_classes, *deep.mask.shape), device=device)

    def pass_through() -> None:
        for first in range(0, deep.stack.n_pieces, 4):
            trainer.add_prior(deep.stack, deep.seen, total, range(first, min(first + 4, deep.stack.n_pieces)))

    works["a pass through the network"] = pass_through
    return works


def time_the_parts(device: torch.device, repeats: int, case: Case, several: Case) -> None:
    """Print ms of each part on the device, and on one thread of the processor."""
    print("| part | device ms | processor ms | processor by device |\n|---|---|---|---|")
    there, here = works_on(device, case, several), works_on(PROCESSOR, case, several)
    for name, work in there.items():
        own = milliseconds(work, device, repeats)
        other = milliseconds(here[name], PROCESSOR, 1)
        print(f"| {name} | {own:.1f} | {other:.1f} | {other / own:.1f} x |", flush=True)


def training_step(
    device: torch.device, case: Case, precision: Precision
) -> tuple[Callable[[], object], nn.Module, Tensor]:
    """Return a step of the blind-spot network, the network, and what it sees."""
    deep, trainer, recipe, objective = parts_of("blindspot", case, device, precision)
    middle = deep.stack.n_pieces // 2
    batch = deep.batch(range(middle, min(middle + recipe.batch_slices, deep.stack.n_pieces)))
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        seen, looked_at = objective.see(batch)
        axes = draw_axes(deep.stack.n_dims, generator) if recipe.mirrors else ()
        terms = objective.terms(seen, trainer.flipped_logits(seen.inputs, axes), looked_at)
        trainer.step(terms.loss, 1e-4)

    return step, trainer.network, batch.inputs


def there_and_back(run: Callable[[Tensor], Any], inputs: Tensor) -> None:
    """Take a pass through a network, and back."""
    run(inputs).mean().backward()


def time_a_step(device: torch.device, repeats: int, case: Case) -> None:
    """Print ms of a step in each precision, and of the bare network as it is, compiled and as a CUDA graph."""
    print("| what | ms |\n|---|---|")
    for words, precision, on in (
        ("a step in float32", "float32", False),
        ("a step in float32 with TF32", "float32", True),
        ("a step in bfloat16", "bfloat16", True),
    ):
        with tf32(on=on):
            step, *_ = training_step(device, case, precision)  # type: ignore[arg-type]
            print(f"| {words} | {milliseconds(step, device, 4 * repeats):.2f} |", flush=True)
    _, network, inputs = training_step(device, case, "float32")
    as_it_is = milliseconds(lambda: there_and_back(network, inputs), device, 4 * repeats)
    print(f"| there and back, as it is | {as_it_is:.2f} |", flush=True)
    if device.type != "cuda":
        print("| compiled, and as a CUDA graph | not measured: for CUDA only |", flush=True)
        return
    makers: dict[str, Callable[[], Callable[[Tensor], Any]]] = {
        "compiled": lambda: torch.compile(network),
        "as a CUDA graph": lambda: torch.cuda.make_graphed_callables(network, (inputs,)),
    }
    for words, make in makers.items():
        began = time.perf_counter()
        try:
            run = make()
            there_and_back(run, inputs)
            finish(device)
        except RuntimeError as error:
            print(f"| there and back, {words} | failed: {str(error).splitlines()[0]} |", flush=True)
            continue
        first = time.perf_counter() - began
        taken = milliseconds(lambda run=run: there_and_back(run, inputs), device, 4 * repeats)
        print(f"| there and back, {words} (ready after {first:.1f} s) | {taken:.2f} |", flush=True)


def time_a_transfer(device: torch.device, repeats: int, case: Case) -> None:
    """Print ms and GB/s of the class maps of a brain, from the device to the processor."""
    if device.type != "cuda":
        print("Transfers into pinned memory are for CUDA only.")
        return
    maps = torch.rand((3, *case.mask.shape), device=device)
    pinned = torch.empty(maps.shape, pin_memory=True)
    ways: dict[str, Callable[[], object]] = {
        "into pageable memory, as the program does": maps.cpu,
        "into pinned memory that is there": lambda: pinned.copy_(maps, non_blocking=True),
        "into pinned memory, pinning it first": lambda: torch.empty(maps.shape, pin_memory=True).copy_(maps),
    }
    print("| three class maps | ms | GB/s |\n|---|---|---|")
    for words, way in ways.items():
        taken = milliseconds(way, device, 4 * repeats)
        print(f"| {words} | {taken:.2f} | {maps.numel() * 4 / taken / 1e6:.1f} |", flush=True)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--device", help="another than the card that torch finds")
    parser.add_argument("--quick", action="store_true", help="one slice in place of the brain, to try the program")
    options = parser.parse_args(words)
    device = torch.device(options.device) if options.device else card()
    if device is None:
        print(f"No graphics card: torch {torch.__version__} sees neither CUDA nor Apple's MPS. Nothing was measured.")
        return 0
    torch.set_num_threads(1)
    case, several = brain("t1_n9b0", 0), three_channels()
    if options.quick:
        case, several = one_slice(case, 75), one_slice(several, 75)
    print(f"{named(device)} · torch {torch.__version__}")
    tables: dict[str, Callable[[], None]] = {
        "default": lambda: time_the_default(device, options.repeats, case),
        "parts": lambda: time_the_parts(device, options.repeats, case, several),
        "step": lambda: time_a_step(device, options.repeats, case),
        "transfer": lambda: time_a_transfer(device, options.repeats, case),
    }
    for name in options.only:
        print(f"\n## {name}\n", flush=True)
        tables[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
