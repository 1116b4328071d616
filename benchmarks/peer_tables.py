"""Tables of the runs that `peers.py` has kept: Dice beside the best peer, what bias costs, seconds, memory.

A row is a run: `image`, `method` (a key of `peer_methods.METHODS`), `commit`, Dice `csf`, `gm`, `wm` and their `mean`,
`wall_s`, `cpu_s` (a bias correction ahead included), `mb_above` the image and `mb_with` all the process held. Where a
method ran under several commits, the runs of the last one count. Repeats are told by their median.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from peer_methods import METHODS, OURS, PEERS

Row = dict[str, Any]
#: What issue and design ask for.
MARGIN, BIAS_COST, BIAS_COST_NOISY = 0.015, 0.02, 0.05
SPATIAL_SHARE, AUTO_SHARE = 0.1, 0.5
FIGURES = ("csf", "gm", "wm", "mean", "wall_s", "cpu_s", "mb_above", "mb_with")
ALONE = tuple(key for key in PEERS if key.startswith("atropos"))
CORRECTED = tuple(key for key in PEERS if key.startswith("n4-atropos"))
OTHERS = tuple(key for key in PEERS if key not in (*ALONE, *CORRECTED))


@dataclass(frozen=True)
class Medians:
    """Medians of the runs, and which failed.

    Parameters
    ----------
    cells : dict
        (image, method) to the medians of `FIGURES`.
    failed : tuple of str
        "image, method: why".
    """

    cells: dict[tuple[str, str], dict[str, float]]
    failed: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Medians:
        """Return the medians of the runs of each method's last commit, image by image."""
        runs: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            runs.setdefault((row["image"], row["method"]), []).append(row)
        latest = {
            place: [row for row in found if row["commit"] == found[-1]["commit"]] for place, found in runs.items()
        }
        good = {place: [row for row in found if "failed" not in row] for place, found in latest.items()}
        return cls(
            {
                place: {figure: statistics.median(row[figure] for row in found) for figure in FIGURES}
                for place, found in good.items()
                if found
            },
            tuple(f"{image}, {METHODS[key].name}" for (image, key), found in good.items() if not found),
        )

    @property
    def images(self) -> list[str]:
        """Images in the order of their first run."""
        return list(dict.fromkeys(image for image, _ in self.cells))

    def get(self, image: str, method: str, figure: str = "mean") -> float | None:
        """Return a figure, None where it was not measured."""
        cell = self.cells.get((image, method))
        return None if cell is None else cell[figure]

    def best(self, image: str, methods: Sequence[str]) -> tuple[str, float] | None:
        """Return the method of highest Dice on an image, and its Dice."""
        known = [(score, key) for key in methods if (score := self.get(image, key)) is not None]
        return None if not known else (max(known)[1], max(known)[0])


def is_phantom(image: str) -> bool:
    """Tell a phantom from a real brain by its name."""
    return re.fullmatch(r"(t1|pv)_n\d+b\d+[sc]?", image) is not None


def set_of(image: str) -> str:
    """Return the set an image belongs to: the ten slabs are one."""
    return "ptbp" if image.startswith("ptbp") else image


def line(cells: Iterable[object]) -> str:
    """Return a row of a table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(heads: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    return "\n".join([line(heads), "|" + "---|" * len(heads), *(line(row) for row in body)])


def told(value: float | None, digits: int = 3, sign: str = "") -> str:
    """Return a figure as the tables show it, – where there is none."""
    return "–" if value is None else f"{value:{sign}.{digits}f}"


def told_best(best: tuple[str, float] | None) -> str:
    """Return a best Dice with who reached it: 0.868 (.5)."""
    if best is None:
        return "–"
    key, score = best
    weight = key.rsplit("-", 1)[-1]
    return f"{score:.3f} ({weight.lstrip('0') if weight[0].isdigit() else METHODS[key].name})"


def difference(ours: float | None, best: tuple[str, float] | None) -> float | None:
    """Return how far ours is above the best."""
    return None if ours is None or best is None else ours - best[1]


def verdict(value: float | None, holds: Callable[[float], bool]) -> str:
    """Return a figure with a sign, and ✗ behind it where it misses its aim."""
    return told(value, 3, "+") + ("" if value is None or holds(value) else " ✗")


def dice_table(medians: Medians, images: Sequence[str], margin: float) -> str:
    """Return mean Dice image by image: the best of each kind of peer, ours, and auto less the best Atropos."""
    heads = ["image", "Atropos", "N4 + Atropos", "best other peer", *OURS, "auto − best Atropos", "auto − best peer"]
    body = []
    for image in images:
        auto = medians.get(image, "auto")
        kinds = [medians.best(image, kind) for kind in (ALONE, CORRECTED, OTHERS)]
        body.append(
            [
                image,
                *map(told_best, kinds),
                *(told(medians.get(image, key)) for key in OURS),
                verdict(difference(auto, medians.best(image, ALONE + CORRECTED)), lambda d: d >= margin),
                told(difference(auto, medians.best(image, tuple(PEERS))), 3, "+"),
            ]
        )
    return table(heads, body)


def every_table(medians: Medians, images: Sequence[str]) -> str:
    """Return mean Dice of every method, tuned or not."""
    keys = [key for key in (*PEERS, *OURS) if any((image, key) in medians.cells for image in images)]
    return table(
        ["image", *(METHODS[key].name for key in keys)],
        ([image, *(told(medians.get(image, key)) for key in keys)] for image in images),
    )


def tissue_table(medians: Medians, images: Sequence[str]) -> str:
    """Return Dice of CSF, GM and WM: the best Atropos, N4 + Atropos and ours."""
    body = []
    for image in images:
        kinds = [best[0] for kind in (ALONE, CORRECTED) if (best := medians.best(image, kind)) is not None]
        for key in (*kinds, "spatial", "auto"):
            if (image, key) in medians.cells:
                scores = [told(medians.get(image, key, tissue)) for tissue in ("csf", "gm", "wm", "mean")]
                body.append([image, METHODS[key].name, *scores])
    return table(["image", "method", "CSF", "GM", "WM", "mean"], body)


def bias_table(medians: Medians) -> str:
    """Return what a bias of 20 and 40 % costs against the same noise without, by method."""
    keys = ("spatial", "auto")
    body = []
    for image in medians.images:
        match = re.fullmatch(r"((t1|pv)_n(\d+)b)(20|40)([sc]?)", image)
        if match is None:
            continue
        plain = match[1] + "0"
        limit = BIAS_COST if int(match[3]) <= 5 else BIAS_COST_NOISY
        costs = [_less(medians.get(image, key), medians.get(plain, key)) for key in keys]
        peers = [_less(_score(medians, image, kind), _score(medians, plain, kind)) for kind in (ALONE, CORRECTED)]
        if match[4] == "40":
            body.append([image, *(verdict(cost, lambda d, limit=limit: d >= -limit) for cost in costs)])  # type: ignore[misc]
        else:
            body.append([image, *(told(cost, 3, "+") for cost in costs)])
        body[-1] += [told(cost, 3, "+") for cost in peers]
    return table(["image, against no bias", *keys, "best Atropos", "best N4 + Atropos"], body)


def _score(medians: Medians, image: str, kind: Sequence[str]) -> float | None:
    best = medians.best(image, kind)
    return None if best is None else best[1]


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def cost_table(medians: Medians, images: Sequence[str], *, aims: bool = True) -> str:
    """Return CPU seconds of ours as shares of Atropos alone, image by image: of its fastest weight, and of its best."""
    body = []
    for image in images:
        known = [cpu for key in ALONE if (cpu := medians.get(image, key, "cpu_s")) is not None]
        if not known:
            continue
        best = medians.best(image, ALONE)
        slow = None if best is None else medians.get(image, best[0], "cpu_s")
        row: list[object] = [image, told(min(known), 1), told(slow, 1)]
        for key, limit in (("spatial", SPATIAL_SHARE), ("auto", AUTO_SHARE)):
            seconds = medians.get(image, key, "cpu_s")
            share = None if seconds is None else seconds / min(known)
            missed = aims and share is not None and share > limit
            of_best = None if seconds is None or slow is None else seconds / slow
            row += [told(seconds, 2), told(share, 3) + (" ✗" if missed else ""), told(of_best, 3)]
        body.append(row)
    heads = [f"{key} {what}" for key in ("spatial", "auto") for what in ("CPU s", "of fastest", "of best")]
    return table(["image", "fastest Atropos CPU s", "best Atropos CPU s", *heads], body)


def resource_table(medians: Medians, images: Sequence[str]) -> str:
    """Return the median over images of seconds and memory of each method."""
    body = []
    for key in (*PEERS, *OURS):
        cells = [medians.cells[image, key] for image in images if (image, key) in medians.cells]
        if cells:
            figures = [statistics.median(cell[part] for cell in cells) for part in FIGURES[-4:]]
            digits = (2, 2, 0, 0)
            body.append([METHODS[key].name, *(told(f, d) for f, d in zip(figures, digits, strict=True)), len(cells)])
    return table(["method", "wall s", "CPU s", "MB above the image", "MB in all", "images"], body)


def set_table(medians: Medians, images: Sequence[str]) -> str:
    """Return mean Dice of each set of real brains, and ours less the best peer of the set.

    The best peer is one method with one weight for the whole set; the best image by image stands in the table above.
    """
    sets = list(dict.fromkeys(map(set_of, images)))
    keys = [key for key in (*PEERS, *OURS) if any((image, key) in medians.cells for image in images)]
    body = []
    for name in sets:
        own = [image for image in images if set_of(image) == name]
        scores = {key: _mean([medians.get(image, key) for image in own]) for key in keys}
        rivals = [(score, METHODS[key].name) for key in PEERS if (score := scores.get(key)) is not None]
        best = max(rivals, default=None)
        ours = [scores.get(key) for key in OURS]
        gaps = [None if best is None or score is None else score - best[0] for score in ours[:2]]
        body.append(
            [
                f"{name} ({len(own)})",
                "–" if best is None else f"{best[0]:.3f} ({best[1]})",
                *map(told, ours),
                *(verdict(gap, lambda d: d >= 0) for gap in gaps),
            ]
        )
    return table(["set", "best peer", *OURS, "spatial − best", "auto − best"], body)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known and len(known) == len(values) else None


def heading(rows: Sequence[Row], absent: dict[str, str], medians: Medians) -> list[str]:
    """Return lines that tell commits, versions, threads and load, and name what is absent or failed."""
    if not rows:
        return ["Nothing has been measured."]
    last = {(row["image"], row["method"]): row for row in rows}.values()
    commits = ", ".join(dict.fromkeys(row["commit"] for row in last if row["method"] in OURS)) or "–"
    versions: dict[str, str] = {}
    for row in last:
        versions |= row.get("versions", {})
    loads = [row["load"] for row in rows if "load" in row]
    lines = [
        f"{rows[0]['began'][:10]} · ours at {commits} · " + ", ".join(f"{n} {v}" for n, v in sorted(versions.items())),
        f"{len(rows)} runs of {len(medians.images)} images · threads "
        + ", ".join(sorted({str(row.get("threads", "?")) for row in rows}))
        + (f" · load of the machine {min(loads):.1f} to {max(loads):.1f}" if loads else ""),
    ]
    lines += [f"Absent: {METHODS[key].name} ({why})." for key, why in absent.items()]
    never = [key for key in METHODS if key in OURS | PEERS and key not in {row["method"] for row in rows}]
    lines += [f"Not run: {METHODS[key].name}." for key in never if key not in absent]
    lines += [f"Failed: {what}." for what in medians.failed]
    return [*lines, "Not peers here: FSL FAST and SPM were not run, and nothing is claimed about them."]


def _missing(medians: Medians, planned: Sequence[str]) -> list[str]:
    """Return a line that names images without a run, and one that names those without every weight of Atropos."""
    never = [image for image in planned if image not in medians.images]
    partly = [image for image in medians.images if any((image, key) not in medians.cells for key in ALONE + CORRECTED)]
    lines = [f"Images not run: {', '.join(never)}."] if never else []
    return lines + ([f"Images without some weight of Atropos: {', '.join(partly)}."] if partly else [])


def report(rows: Sequence[Row], absent: dict[str, str] | None = None, planned: Sequence[str] = ()) -> str:
    """Return all tables of these runs as Markdown, and name what was planned and is not among them."""
    medians = Medians.of(rows)
    phantoms = [image for image in medians.images if is_phantom(image)]
    real = [image for image in medians.images if not is_phantom(image)]
    parts = ["\n".join([*heading(rows, absent or {}, medians), *_missing(medians, planned)])]
    if phantoms:
        parts += [
            f"Phantoms: mean Dice; in brackets the MRF weight that was best. Aim: + {MARGIN} (✗ where missed)",
            dice_table(medians, phantoms, MARGIN),
            "Phantoms: mean Dice of every method",
            every_table(medians, phantoms),
            "Phantoms: tissues",
            tissue_table(medians, phantoms),
            f"Bias: Dice gained or lost. Aim at 40 %: {-BIAS_COST} (noise up to 5 %), {-BIAS_COST_NOISY} (9 %)",
            bias_table(medians),
            f"Phantoms: CPU seconds. Aim: {SPATIAL_SHARE} and {AUTO_SHARE} of Atropos alone, at its fastest weight",
            cost_table(medians, phantoms),
            "Phantoms: seconds and memory, medians (a bias correction ahead included)",
            resource_table(medians, phantoms),
        ]
    if real:
        parts += [
            "Real brains: mean Dice by set. Labels of Philips by FAST, of PTBP by Atropos, of SPM and Colin by priors",
            set_table(medians, real),
            "Real brains: mean Dice, image by image",
            dice_table(medians, real, 0.0),
            "Real brains: mean Dice of every method",
            every_table(medians, real),
            "Real brains: tissues",
            tissue_table(medians, real),
            "Real brains: CPU seconds",
            cost_table(medians, real, aims=False),
        ]
    return "\n\n".join(parts)
