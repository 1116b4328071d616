"""One method, run once in this process and measured: ours, or a peer that the Python which runs this can import.

    PYTHON benchmarks/peer_methods.py METHOD CASE.npz ANSWER.npz     run and measure; prints one line of JSON
    PYTHON benchmarks/peer_methods.py --absent METHOD ...            prints what of these cannot be imported, as JSON

It needs nothing but numpy beside the method, so that the peers' own environment can run it; `peers.py` calls it. A case
holds `image` (Z, Y, X) float32, `mask` bool and `affine` (voxel to world, mm), and no truth. The answer holds `labels`
uint8, 1 CSF, 2 GM, 3 WM, 0 outside the mask, or for a bias correction `image`. Every method gets three classes and a
mask; classes are named by the rank of their mean intensity. The packages are imported and the case is read before the
clock starts. CPU seconds are those of all threads and child processes.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Labels = NDArray[np.uint8]
WEIGHTS = (0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Case:
    """Image (Z, Y, X), mask and voxel-to-world affine in mm."""

    image: Image
    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Millimetres a voxel, in the order of the array's axes."""
        return tuple(float(np.linalg.norm(self.affine[:3, axis])) for axis in range(3))


def by_rank(labels: NDArray[Any], case: Case) -> Labels:
    """Number the classes inside the mask 1, 2, 3 by their mean intensity."""
    inside = labels[case.mask]
    values = np.unique(inside)
    means = [case.image[case.mask][inside == value].mean() for value in values]
    numbers = np.zeros(int(values.max()) + 1, dtype=np.uint8)
    numbers[values[np.argsort(means)].astype(int)] = np.arange(1, len(values) + 1)
    found = np.zeros(case.mask.shape, dtype=np.uint8)
    found[case.mask] = numbers[inside.astype(int)]
    return found


def ours(case: Case, method: str) -> Labels:
    """Return the labels of one of our methods with nothing set by hand: preparation, bias field and all."""
    import accuracy
    from napari_gmmseg.volumes import Geometry, Volume

    z, y, x = case.image.shape
    volume = Volume(data=case.image[None], geometry=Geometry(shape=(z, y, x), affine=case.affine), channels=("t1",))
    labels, _ = accuracy.segment(accuracy.Case("", volume, np.zeros((0,), np.uint8), case.mask), method)
    return labels


def sklearn_k_means(case: Case) -> Labels:
    """scikit-learn's k-means, five starts on every n-th of the voxels (200,000 at most), seed 0."""
    from sklearn.cluster import KMeans

    x = case.image[case.mask].reshape(-1, 1)
    model = KMeans(3, n_init=5, random_state=0).fit(x[:: max(1, len(x) // 200_000)])
    labels = np.zeros(case.mask.shape, dtype=np.uint8)
    labels[case.mask] = model.predict(x)
    return by_rank(labels, case)


def sklearn_gmm(case: Case) -> Labels:
    """scikit-learn's GaussianMixture with its own defaults: float64, k-means start, tolerance 1e-3; seed 0."""
    from sklearn.mixture import GaussianMixture

    x = case.image[case.mask].reshape(-1, 1).astype(np.float64)
    labels = np.zeros(case.mask.shape, dtype=np.uint8)
    labels[case.mask] = GaussianMixture(3, random_state=0).fit_predict(x)
    return by_rank(labels, case)


def dipy_hmrf(case: Case, beta: float) -> Labels:
    """DIPY's TissueClassifierHMRF, weight 0.1 of its tutorial, tolerance and steps its defaults.

    It takes no mask: it is given the mask's box with 0.01 of noise for a background (where that is exactly 0, its
    background class has no width and it fails without a word), intensities scaled to 0 ... 1 (else it maps negative
    ones to 0 itself). What it calls background inside the mask counts as the darkest tissue.
    """
    from dipy.segment.tissue import TissueClassifierHMRF

    box = tuple(slice(max(int(w.min()) - 2, 0), int(w.max()) + 3) for w in np.nonzero(case.mask))
    mask, image = case.mask[box], case.image[box].astype(np.float64)
    image = np.clip(image / np.quantile(image[mask], 0.9995), 1e-3, 1.0)
    noise = np.abs(np.random.default_rng(0).normal(0, 0.01, image.shape)) + 1e-6
    _, found, _ = TissueClassifierHMRF(verbose=False).classify(np.where(mask, image, noise), 3, beta)
    labels = np.zeros(case.mask.shape, dtype=np.uint8)
    labels[box] = np.where(mask, np.clip(found, 1, 3), 0)
    return labels


def atropos(case: Case, weight: float) -> Labels:
    """ANTsPy's Atropos: k-means start, Gaussian likelihood, five steps, MRF weight over 26 neighbours."""
    import ants

    image = ants.from_numpy(case.image, spacing=case.spacing)
    mask = ants.from_numpy(case.mask.astype(np.float32), spacing=case.spacing)
    found = ants.atropos(a=image, x=mask, i="Kmeans[3]", m=f"[{weight},1x1x1]", c="[5,0]", k="Gaussian")
    return by_rank(found["segmentation"].numpy().astype(np.uint8), case)


def ants_n4(case: Case) -> Image:
    """ANTsPy's N4 with its own defaults, inside the mask."""
    import ants

    image = ants.from_numpy(case.image, spacing=case.spacing)
    mask = ants.from_numpy(case.mask.astype(np.float32), spacing=case.spacing)
    return np.asarray(ants.n4_bias_field_correction(image, mask=mask).numpy(), dtype=np.float32)


def sitk_n4(case: Case) -> Image:
    """SimpleITK's N4 with its own defaults, the field found on a grid of a fourth as its example does."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(case.image)
    mask = SimpleITK.GetImageFromArray(case.mask.astype(np.uint8))
    for one in (image, mask):
        one.SetSpacing(case.spacing[::-1])
    shrink = [max(1, min(4, n // 8)) for n in image.GetSize()]
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.Execute(SimpleITK.Shrink(image, shrink), SimpleITK.Shrink(mask, shrink))
    field = SimpleITK.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image))
    return (case.image / np.exp(field)).astype(np.float32)


def sitk_k_means(case: Case) -> Labels:
    """SimpleITK's ScalarImageKmeans over the voxels of the mask, started at three quantiles."""
    import SimpleITK

    x = case.image[case.mask]
    start = [float(q) for q in np.quantile(x, (1 / 6, 1 / 2, 5 / 6))]
    found = SimpleITK.ScalarImageKmeans(SimpleITK.GetImageFromArray(x[None].astype(np.float32)), start)
    labels = np.zeros(case.mask.shape, dtype=np.uint8)
    labels[case.mask] = SimpleITK.GetArrayFromImage(found)[0]
    return by_rank(labels, case)


@dataclass(frozen=True)
class Method:
    """A method of the tables.

    Parameters
    ----------
    name : str
        As the tables call it.
    needs : tuple of str
        What has to be imported, the distribution's name behind a colon: "ants:antspyx".
    run : callable
        Takes a case; returns labels, or the corrected image of a bias correction.
    first : str, optional
        Key of the bias correction whose image it gets; its seconds are added.
    """

    name: str
    needs: tuple[str, ...]
    run: Callable[[Case], NDArray[Any]]
    first: str = ""

    @property
    def modules(self) -> list[str]:
        return [need.split(":")[0] for need in self.needs]

    @property
    def packages(self) -> list[str]:
        return [need.split(":")[-1] for need in self.needs]


OURS = {name: Method(name, ("napari_gmmseg:napari-gmmseg", "torch"), partial(ours, method=name)) for name in
        ("spatial", "auto", "gmm")}  # fmt: skip
SKLEARN, SITK = ("sklearn:scikit-learn",), ("SimpleITK",)
CORRECTIONS = {
    "ants-n4": Method("ANTs N4", ("ants:antspyx",), ants_n4),
    "sitk-n4": Method("SimpleITK N4", SITK, sitk_n4),
}
PEERS = {
    "sklearn-kmeans": Method("scikit-learn k-means", SKLEARN, sklearn_k_means),
    "sklearn-gmm": Method("scikit-learn GMM", SKLEARN, sklearn_gmm),
    **{f"atropos-{w}": Method(f"Atropos, MRF {w}", ("ants:antspyx",), partial(atropos, weight=w)) for w in WEIGHTS},
    **{
        f"n4-atropos-{w}": Method(f"N4 + Atropos, MRF {w}", ("ants:antspyx",), partial(atropos, weight=w), "ants-n4")
        for w in WEIGHTS
    },
    "dipy-hmrf": Method("DIPY HMRF", ("dipy",), partial(dipy_hmrf, beta=0.1)),
    "sitk-n4-kmeans": Method("SimpleITK N4 + k-means", SITK, sitk_k_means, "sitk-n4"),
    "sitk-n4-gmm": Method("SimpleITK N4 + scikit-learn GMM", SITK + SKLEARN, sklearn_gmm, "sitk-n4"),
}
METHODS = OURS | CORRECTIONS | PEERS


def absent(keys: list[str]) -> dict[str, list[str]]:
    """Return the packages that each of these methods lacks here, methods that lack none left out."""
    lacking = {
        key: [p for m, p in zip(METHODS[key].modules, METHODS[key].packages, strict=True) if not _importable(m)]
        for key in keys
    }
    return {key: packages for key, packages in lacking.items() if packages}


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def cpu_seconds() -> float:
    """Return the CPU seconds of this process so far, with its threads and the children it waited for."""
    return sum(
        u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def resident(field: str) -> float:
    """Return a field of /proc/self/status in MB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


def _warm(method: Method) -> None:
    """Import what the method runs on."""
    for module in method.modules:
        importlib.import_module(module)
    extra = {"sklearn": ("sklearn.cluster", "sklearn.mixture"), "dipy": ("dipy.segment.tissue",)}
    for module in method.modules:
        for inner in extra.get(module, ()):
            importlib.import_module(inner)
    if "napari_gmmseg" in method.modules:
        importlib.import_module("accuracy")


def measure(key: str, case: Case) -> tuple[NDArray[Any], dict[str, Any]]:
    """Run a method once; return its answer, and its seconds and MB."""
    method = METHODS[key]
    _warm(method)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, wall, cpu = resident("VmRSS"), time.perf_counter(), cpu_seconds()
    answer = method.run(case)
    cpu, wall, peak = cpu_seconds() - cpu, time.perf_counter() - wall, resident("VmHWM")
    versions = {package: version(package) for package in method.packages}
    return answer, {"wall_s": wall, "cpu_s": cpu, "mb_above": peak - before, "mb_with": peak, "versions": versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--absent", nargs="+", choices=tuple(METHODS))
    parser.add_argument("run", nargs="*", metavar="METHOD CASE.npz ANSWER.npz")
    arguments = parser.parse_args()
    if arguments.absent:
        print(json.dumps(absent(arguments.absent)))
        return
    key, source, target = arguments.run
    with np.load(source) as stored:
        case = Case(stored["image"], stored["mask"], stored["affine"])
    answer, figures = measure(key, case)
    np.savez(target, **{"labels" if answer.dtype == np.uint8 else "image": answer})
    print(json.dumps(figures))


if __name__ == "__main__":
    sys.exit(main())
