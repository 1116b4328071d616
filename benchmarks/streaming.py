"""Segment a generated volume that is larger than the memory that it may take, and hold the mask against the truth.

    python benchmarks/streaming.py [--size 1024] [--limit 4] [--background zero|air] [--suffix .nii|.nii.gz]

The volume is uint16, uncompressed NIfTI, `size` voxels along each axis over 256 mm: three tissues in a head-shaped
body with furrows, with noise, and around it zero, or air with noise. It is generated slab
by slab, and so is the truth again when the mask is compared. `napari-gmmseg segment --method gmm` runs in a process of
its own whose address space is limited as `ulimit -v` limits it: torch alone takes 0.6 GB of that.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

#: Of background and tissues, and the standard deviation in tissue: in air the automatic mask takes the darkest for air
#: where it is nearer to that than to the brightest, so it is not.
MEANS = {"zero": (0.0, 6_000.0, 14_000.0, 22_000.0), "air": (0.0, 14_000.0, 18_000.0, 22_000.0)}
STDS = {"zero": 1_300.0, "air": 700.0}
AIR = 400.0
LAYERS = 8


def truth_slabs(size: int) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Yield layers along z and the classes 0 ... 3 (size, size, n) of their voxels."""
    step = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = step[:, None, None], step[None, :, None]
    for begin in range(0, size, LAYERS):
        layers = slice(begin, min(begin + LAYERS, size))
        z = step[None, None, layers]
        radius = np.sqrt((x / 0.72) ** 2 + (y / 0.88) ** 2 + (z / 0.8) ** 2)
        folds = 0.06 * np.sin(17 * x) * np.sin(19 * y + 1) * np.sin(23 * z + 2)
        truth = (radius < 1).astype(np.uint8)
        truth += (radius + folds < 0.9).astype(np.uint8)
        truth += (radius + 1.5 * folds < 0.7).astype(np.uint8)
        yield layers, truth


def generate(path: Path, size: int, background: str) -> None:
    """Write the volume, slab by slab."""
    rng = np.random.default_rng(0)
    header = nibabel.Nifti1Header()
    header.set_data_shape((size, size, size))
    header.set_data_dtype(np.uint16)
    header.set_sform(np.diag([256 / size] * 3 + [1.0]), code=1)
    header.set_xyzt_units("mm")
    header["vox_offset"] = 352
    means, std = np.array(MEANS[background], dtype=np.float32), STDS[background]
    with path.open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        for _, truth in truth_slabs(size):
            noise = rng.standard_normal(truth.shape, dtype=np.float32)
            values = means[truth] + std * noise * (truth > 0)
            if background == "air":
                values += AIR * np.abs(noise) * (truth == 0)
            file.write(np.ascontiguousarray(np.clip(np.rint(values), 0, 65535).astype(np.uint16).T).data)


def compare(mask: Path, size: int) -> tuple[float, list[float]]:
    """Return the share of voxels with the true label, and the Dice of each class."""
    found = nibabel.load(mask, mmap=False).dataobj
    right, both, sums = 0, np.zeros(4), np.zeros(4)
    for layers, truth in truth_slabs(size):
        labels = np.asarray(found[:, :, layers])
        right += int(np.count_nonzero(labels == truth))
        pairs = np.bincount((4 * truth + np.minimum(labels, 3)).reshape(-1), minlength=16).reshape(4, 4)
        both += np.diag(pairs)
        sums += pairs.sum(0) + pairs.sum(1)
    return right / size**3, list(2 * both[1:] / sums[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--limit", type=float, default=4.0, help="GiB of address space")
    parser.add_argument("--background", choices=("zero", "air"), default="zero")
    parser.add_argument("--suffix", choices=(".nii", ".nii.gz"), default=".nii.gz", help="of the mask")
    parser.add_argument("--folder", type=Path, default=None)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=told.folder) as folder:
        image, mask = Path(folder) / "large_T1w.nii", Path(folder) / f"mask{told.suffix}"
        began = time.perf_counter()
        generate(image, told.size, told.background)
        print(f"generated {image.stat().st_size / 1e9:.2f} GB in {time.perf_counter() - began:.0f} s", flush=True)
        limit = int(told.limit * 2**30)
        command = [sys.executable, "-m", "napari_gmmseg.cli", "segment", str(image), "-o", str(mask)]
        command += ["--method", "gmm", "--classes", "3", "--threads", "1", "--json"]
        began = time.perf_counter()
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        wall, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            return done.returncode
        answer = json.loads(done.stdout)
        share, dice = compare(mask, told.size)
    cpu = used.ru_utime + used.ru_stime
    print(
        f"{told.size}^3 uint16, background {told.background}, mask {told.suffix}, {told.limit:g} GiB of address space"
    )
    print(f"wall {wall:.1f} s, CPU {cpu:.1f} s, peak resident {used.ru_maxrss / 1024:.0f} MiB")
    print(f"right {share:.5f} of the voxels; Dice {', '.join(f'{d:.4f}' for d in dice)}")
    print("\n".join(f"{c['name']}: {c['voxels']} voxels, {c['volume_ml']:.2f} ml" for c in answer["classes"]))
    print("findings:", ", ".join(finding["code"] for finding in answer["findings"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
