"""Our default beside the peers, side by side in one run: Dice, wall and CPU seconds, memory; phantoms and real brains.

    python benchmarks/peers.py [--cases t1_n9b0 philips ...] [--methods auto atropos-0.5 ...] [--repeats 3]
                               [--peer-repeats 1] [--peers-python .venv-peers/bin/python] [--threads 1]
                               [--resume [--again auto spatial]]
    python benchmarks/peers.py --tables         # what has been measured so far, without measuring

Ours: spatial, auto and gmm with nothing set by hand. Peers: scikit-learn's k-means and GaussianMixture, DIPY's HMRF,
ANTsPy's Atropos and N4 + Atropos with MRF weights .2, .3 and .5 (the best of them, image by image: a fair peer is a
tuned one), SimpleITK's N4 with k-means and with a GMM. They live in an environment of their own, which `make peers`
makes from the dependency group `peers`; a peer that is not there is named.

Each run is a process of its own, and the order is A B A B: first each method once, then each again that has more
repeats, the peers in the middle where they have fewer. Every run is a line of `benchmarks/output/peers.jsonl`, so that
a run can be broken off: `--resume` leaves out what has its lines, but for the methods of `--again`. N4 is run once an
image, and its seconds are added to those of what takes its image. Threads of ITK, BLAS and torch are limited to
`--threads`.

Cases: noise 0, 3, 5, 9 % x bias 0, 20, 40 % x t1, pv of the phantom family; 40 % with two other fields (s, c); the
real brains beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import peer_methods
import peer_tables

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUTPUT = HERE / "output"
ROWS = OUTPUT / "peers.jsonl"
REAL = ("philips", "philips 2 mm", "spm avg152", "colin27", *(f"ptbp {n:02d}" for n in range(1, 11)))
#: Real brains, then in an order in which a part is already of use.
PHANTOMS = (
    *(f"{kind}_n{noise}b{bias}" for noise in (9, 5) for bias in (0, 40) for kind in ("t1", "pv")),
    *(f"{kind}_n3b{bias}" for bias in (0, 40) for kind in ("t1", "pv")),
    *(f"{kind}_n{noise}b40{field}" for noise in (5, 9) for field in "sc" for kind in ("t1", "pv")),
    *(f"{kind}_n{noise}b20" for noise in (9, 5, 3) for kind in ("t1", "pv")),
    *(f"{kind}_n0b{bias}" for bias in (0, 40, 20) for kind in ("t1", "pv")),
)
QUICK = ("philips 2 mm", "ptbp 01", "t1_n5b40")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
Row = dict[str, Any]


class Bench:
    """Runs methods on cases, each in a process of its own.

    Parameters
    ----------
    folder : Path
        Where images and answers lie while they are needed.
    peers_python : Path
        The Python of the peers' environment.
    threads : int
        What ITK, BLAS and torch may take.
    """

    def __init__(self, folder: Path, peers_python: Path, threads: int) -> None:
        self._folder, self._peers_python = folder, peers_python
        self._variables = os.environ | dict.fromkeys(THREADS, str(threads))
        self._variables["PYTHONPATH"] = os.pathsep.join(
            [str(ROOT / "src"), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        folder.mkdir(parents=True, exist_ok=True)

    def absent(self, keys: Sequence[str]) -> dict[str, str]:
        """Return why each of these methods cannot run; those that can are left out."""
        found = {}
        for python in {self._python(key) for key in keys}:
            own = [key for key in keys if self._python(key) == python]
            if not Path(python).exists():
                found |= dict.fromkeys(own, f"{python} is not there (make peers)")
                continue
            lacking: dict[str, list[str]] = json.loads(self._call(python, "--absent", *own))
            found |= {key: f"{', '.join(packages)} is not installed" for key, packages in lacking.items()}
        return found

    def write(self, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Write a case for the methods, and return its truth."""
        case = find_case(name)
        np.savez(
            self._image(name), image=case.volume.data[0], mask=case.mask, affine=np.asarray(case.volume.geometry.affine)
        )
        return case.truth

    def run(self, name: str, key: str) -> tuple[Row, np.ndarray[Any, Any]]:
        """Run a method once on a case that is written; return its figures and labels."""
        method = peer_methods.METHODS[key]
        source, correction = self._image(name), {}
        if method.first:
            source = self._image(name, method.first)
            told = source.with_suffix(".json")
            if not told.exists():
                correction = self._measure(method.first, self._image(name), source)
                self._corrected(name, source)
                told.write_text(json.dumps(correction), encoding="utf-8")
            correction = json.loads(told.read_text(encoding="utf-8"))
        answer = self._folder / "answer.npz"
        figures = self._measure(key, source, answer)
        for part in ("wall_s", "cpu_s"):
            figures[f"own_{part}"] = figures[part]
            figures[part] += correction.get(part, 0.0)
        for part in ("mb_above", "mb_with"):
            figures[part] = max(figures[part], correction.get(part, 0.0))
        with np.load(answer) as stored:
            return figures, stored["labels"]

    def forget(self, name: str) -> None:
        """Remove the images of a case."""
        for path in self._folder.glob(f"{_file_name(name)}.*"):
            path.unlink()

    def _corrected(self, name: str, path: Path) -> None:
        """Put mask and affine beside a corrected image."""
        with np.load(self._image(name)) as whole, np.load(path) as found:
            parts = {"image": found["image"], "mask": whole["mask"], "affine": whole["affine"]}
        np.savez(path, **parts)

    def _image(self, name: str, first: str = "image") -> Path:
        return self._folder / f"{_file_name(name)}.{first}.npz"

    def _python(self, key: str) -> str:
        return sys.executable if key in peer_methods.OURS else str(self._peers_python)

    def _measure(self, key: str, source: Path, answer: Path) -> Row:
        figures: Row = json.loads(self._call(self._python(key), key, str(source), str(answer)).splitlines()[-1])
        return figures

    def _call(self, python: str, *words: str) -> str:
        command = [python, str(HERE / "peer_methods.py"), *words]
        return subprocess.run(command, env=self._variables, check=True, stdout=subprocess.PIPE, text=True).stdout


def _file_name(name: str) -> str:
    return name.replace(" ", "_")


def find_case(name: str) -> Any:
    """Return a phantom or a real brain by its name.

    Raises
    ------
    ValueError
        Where it is neither.
    """
    from accuracy import Case, real_cases
    from phantoms import make

    if name in REAL:
        for case in real_cases():
            if case.name == name:
                return case
        raise ValueError(f"{name}: the real brains are not beside the checkout.")
    made = make(name)
    return Case(name, made.volume, made.truth.labels, made.mask)


def turns(repeats: dict[str, int]) -> list[str]:
    """Return who runs when: everybody's runs spread evenly, so that equal repeats go A B A B."""
    places = [
        ((turn + 0.5) / count, order, key)
        for order, (key, count) in enumerate(repeats.items())
        for turn in range(count)
    ]
    return [key for _, _, key in sorted(places)]


def measured_rows(path: Path) -> list[Row]:
    """Return the lines of a file of runs; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def still_to_run(name: str, repeats: dict[str, int], rows: Sequence[Row]) -> dict[str, int]:
    """Return how often each method has yet to run on a case, methods that are through left out."""
    left = {key: n - sum(row["image"] == name and row["method"] == key for row in rows) for key, n in repeats.items()}
    return {key: n for key, n in left.items() if n > 0}


def run_case(bench: Bench, name: str, repeats: dict[str, int], keep: Callable[[Row], None]) -> None:
    """Run what is left of a case, and keep each run as it ends."""
    from accuracy import dice

    truth = bench.write(name)
    for key in turns(repeats):
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        row: Row = {"image": name, "method": key, "commit": commit(), "began": stamp, "load": os.getloadavg()[0]}
        try:
            figures, labels = bench.run(name, key)
        except subprocess.CalledProcessError as error:
            keep(row | {"failed": f"exit code {error.returncode}"})
            continue
        scores = dice(labels, truth)
        keep(row | {"csf": scores[0], "gm": scores[1], "wm": scores[2], "mean": float(np.mean(scores))} | figures)
    bench.forget(name)


def commit() -> str:
    """Return the commit that is checked out, with a + where files differ from it."""
    words = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()


def there(names: Sequence[str]) -> Iterator[str]:
    """Yield the cases that can be run here, and name the others."""
    from accuracy import real_cases

    real = {case.name for case in real_cases()} if any(name in REAL for name in names) else set()
    for name in names:
        if name in REAL and name not in real:
            print(f"Not here: {name} (no such file beside the checkout).", flush=True)
        else:
            yield name


def measure(options: argparse.Namespace) -> dict[str, str]:
    """Run all that is asked for and not measured yet; return what is absent and why."""
    bench = Bench(OUTPUT / "peers", options.peers_python, options.threads)
    absent = bench.absent(options.methods)
    for key, why in absent.items():
        print(f"Absent: {peer_methods.METHODS[key].name} ({why}).", flush=True)
    repeats = {
        key: options.repeats if key in peer_methods.OURS else options.peer_repeats
        for key in options.methods
        if key not in absent
    }
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    if options.rows.exists() and not options.resume:
        options.rows.replace(options.rows.with_suffix(".previous.jsonl"))
    rows = [row for row in measured_rows(options.rows) if row["method"] not in options.again]

    def keep(row: Row) -> None:
        with options.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | {"threads": options.threads}) + "\n")
        told = "failed" if "failed" in row else f"{row['mean']:.4f}  {row['cpu_s']:.1f} CPU s"
        print(f"{row['image']}  {row['method']}  {told}", flush=True)

    for name in there(options.cases):
        left = still_to_run(name, repeats, rows)
        if left:
            run_case(bench, name, left, keep)
    return absent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=[*REAL, *PHANTOMS])
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} only, in a file of their own")
    parser.add_argument("--methods", nargs="+", choices=tuple(peer_methods.OURS | peer_methods.PEERS))
    parser.add_argument("--repeats", type=int, default=3, help="of ours")
    parser.add_argument("--peer-repeats", type=int, default=1)
    parser.add_argument("--peers-python", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of the runs, a JSON object a line")
    parser.add_argument("--resume", action="store_true", help="go on with the file of the runs")
    parser.add_argument("--again", nargs="+", default=[], help="methods that --resume runs again")
    parser.add_argument("--tables", action="store_true", help="print the tables of what has been measured, and stop")
    options = parser.parse_args()
    options.methods = options.methods or list(peer_methods.OURS | peer_methods.PEERS)
    if options.quick:
        options.cases, options.rows = list(QUICK), options.rows.with_suffix(".quick.jsonl")
    absent = {} if options.tables else measure(options)
    print(peer_tables.report(measured_rows(options.rows), absent, options.cases))


if __name__ == "__main__":
    main()
