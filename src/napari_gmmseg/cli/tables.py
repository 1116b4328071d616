"""Tables of results, as plain data and on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from napari_gmmseg.volumes import class_changes, class_volumes

if TYPE_CHECKING:
    from rich.console import Console

    from napari_gmmseg.volumes import Segmentation

#: What is read back and compared with what was meant, after it is written.
_READ_BACK = ("mask", "probabilities", "uncertainty", "prior", "bias_field", "fractions")
#: What soft volumes are sums of, in words.
_SOFT = {
    "mixed voxels": "sum of each voxel's share of the tissue, from a model of mixed voxels",
    "posterior": "sum of probabilities",
}
#: Memory that is worth a line, in MB.
_MUCH_MEMORY = 1000
#: Columns of characters that no table has.
_WIDEST = 10_000


def segmentation_data(result: Segmentation, channels: Sequence[str]) -> dict[str, Any]:
    """Return what a segmentation holds, without its arrays.

    Parameters
    ----------
    result : Segmentation
        The segmentation.
    channels : sequence of str
        Name of each channel.

    Returns
    -------
    dict
        Classes with label value, voxels, volumes in ml by labels (hard) and by fractions (soft), of a frame on average
        where there are several (None without spacing), share of the mask and class mean of each channel in the image's
        own unit; what fractions are from; method, log-likelihood in nat per voxel, steps, findings, memory in MB as it
        was predicted, provenance; what a refinement changed in each class, None where nothing was refined; and the
        course of the fit, step by step.
    """
    label_map = result.label_map
    counts, n_mask = label_map.counts(), int(result.mask.sum())
    means = result.mixture.class_means()
    classes = [
        {
            "value": c.value,
            "name": c.name,
            "abbreviation": c.abbreviation,
            "voxels": counts[c.value],
            "volume_ml_hard": volume.volume_ml_hard,
            "volume_ml_soft": volume.volume_ml_soft,
            "share": counts[c.value] / n_mask,
            "means": dict(zip(channels, means[k].tolist(), strict=True)),
        }
        for k, (c, volume) in enumerate(zip(label_map.classes, class_volumes(result), strict=True))
        # Background that was painted is 0 in the mask, and has no voxels of its own.
        if c.value != result.provenance.get("background")
    ]
    return {
        "method": result.method,
        "n_classes": len(label_map.classes),
        "classes": classes,
        "fraction_basis": result.fraction_basis,
        "voxels": n_mask,
        "unit": label_map.geometry.unit,
        "log_likelihood": result.log_likelihood,
        "steps": result.steps,
        "stopped": result.stopped,
        "mean_uncertainty": float(result.uncertainty[result.mask].mean()),
        "changes": _changes(result),
        "history": [
            {name: getattr(report, name) for name in ("phase", "step", "log_likelihood", "terms", "seconds")}
            for report in result.history
        ],
        "findings": [asdict(finding) for finding in result.findings],
        "predicted_memory_mb": result.provenance.get("predicted_memory_mb"),
        "provenance": dict(result.provenance),
    }


def _changes(result: Segmentation) -> dict[str, Any] | None:
    """Return what became of each class of the segmentation that was refined; None where nothing was."""
    if result.base is None:
        return None
    label_map = result.label_map
    n_frames = label_map.labels.shape[0] if label_map.labels.ndim == 4 else 1
    ml = label_map.geometry.voxel_volume_ml / n_frames if label_map.geometry.unit == "mm" else None
    classes = [
        {
            "value": change.tissue.value,
            "name": change.tissue.name,
            "abbreviation": change.tissue.abbreviation,
            "voxels_before": change.voxels_before,
            "voxels_after": change.voxels_after,
            "volume_before_ml": None if ml is None else change.voxels_before * ml,
            "volume_after_ml": None if ml is None else change.voxels_after * ml,
            "percent": change.percent,
            "gained": change.gained,
            "lost": change.lost,
        }
        for change in class_changes(result.base.label_map, result.label_map)
    ]
    return {
        "method_before": result.base.method,
        "voxels_changed": sum(entry["gained"] for entry in classes),
        "classes": classes,
    }


def show_segmentation(console: Console, data: Mapping[str, Any]) -> None:
    """Print the classes of a segmentation, its findings, and where it was written.

    Parameters
    ----------
    console : Console
        Where to.
    data : mapping
        From `segmentation_data`, with "files" if any were written.
    """
    classes: list[dict[str, Any]] = data["classes"]
    sizes = ["Hard [ml]", "Soft [ml]"] if data["unit"] == "mm" else ["Voxels"]
    headings = ["Label", *sizes, "Share [%]"]
    headings += [f"Mean {channel}" for channel in classes[0]["means"]]
    rows = []
    for entry in classes:
        size = [f"{entry['voxels']}"]
        if data["unit"] == "mm":
            size = [f"{entry[key]:.2f}" for key in ("volume_ml_hard", "volume_ml_soft")]
        means = (f"{mean:.4g}" for mean in entry["means"].values())
        rows.append((entry, [str(entry["value"]), *size, f"{100 * entry['share']:.1f}", *means]))
    title = f"{data['method']}, {data['steps']} steps, {data['log_likelihood']:.4f} nat/voxel"
    _print_table(console, title, headings, rows)
    if data["unit"] == "mm":
        console.print(f"Hard: voxels of the mask; soft: {_SOFT[data['fraction_basis']]}.", soft_wrap=True)
    if data.get("changes"):
        _show_changes(console, data)
    if (data.get("predicted_memory_mb") or 0) >= _MUCH_MEMORY:
        console.print(f"Memory beside the image, as predicted: {data['predicted_memory_mb'] / 1000:.1f} GB")
    show_findings(console, data["findings"])
    for what, path in data.get("files", {}).items():
        how = "Saved, read back and compared" if what in _READ_BACK else "Saved"
        console.print(f"{how}: {what} → {escape(str(path))}", soft_wrap=True)
    for path in data.get("side_files", ()):
        console.print(f"Saved: names and colours → {escape(str(path))}", soft_wrap=True)


def _show_changes(console: Console, data: Mapping[str, Any]) -> None:
    changes = data["changes"]
    before, after, name, number = "volume_before_ml", "volume_after_ml", "ml, hard", "{:.2f}"
    if data["unit"] != "mm":
        before, after, name, number = "voxels_before", "voxels_after", "voxels", "{}"
    headings = [f"Before [{name}]", f"After [{name}]", "Change [%]", "Voxels gained", "Voxels lost"]
    rows = []
    for entry in changes["classes"]:
        percent = "–" if math.isnan(entry["percent"]) else f"{entry['percent']:+.2f}"
        cells = (number.format(entry[before]), number.format(entry[after]), percent)
        rows.append((entry, [*cells, str(entry["gained"]), str(entry["lost"])]))
    _print_table(console, f"What {data['method']} changed in the result of {changes['method_before']}", headings, rows)
    share = changes["voxels_changed"] / data["voxels"]
    console.print(
        f"{changes['voxels_changed']} voxels ({share:.1%}) changed their class. To keep them as they were: --no-refine",
        soft_wrap=True,
    )


def show_findings(console: Console, findings: Sequence[Mapping[str, Any]]) -> None:
    """Print doubts, each with what can be done.

    Parameters
    ----------
    console : Console
        Where to.
    findings : sequence of mapping
        Findings as dictionaries: severity, message, hint.
    """
    styles = {"note": "cyan", "warning": "yellow", "error": "red"}
    for finding in findings:
        label = finding["severity"].capitalize()
        text = f"{finding['message']} {finding['hint']}".strip()
        console.print(f"[{styles[finding['severity']]}]{label}:[/] {escape(text)}", soft_wrap=True)


def show_evaluation(console: Console, data: Mapping[str, Any]) -> None:
    """Print Dice, HD95 and volumes of each class.

    Parameters
    ----------
    console : Console
        Where to.
    data : mapping
        From `Evaluation.as_dict`.
    """
    rows: list[tuple[Mapping[str, Any], list[str]]] = []
    for entry in data["classes"]:
        distance = "–" if entry["hd95_mm"] is None else f"{entry['hd95_mm']:.2f}"
        sizes = (_size(entry["volume_ml"], entry["voxels"]), _size(entry["volume_truth_ml"], entry["voxels_truth"]))
        rows.append((entry, [str(entry["value"]), f"{entry['dice']:.4f}", distance, *sizes]))
    rows.append(({"name": "Mean", "abbreviation": "Mean"}, ["", f"{data['mean_dice']:.4f}", "", "", ""]))
    _print_table(console, None, ["Label", "Dice", "HD95 [mm]", "Prediction, hard", "Truth, hard"], rows, total=True)
    if data["matched_with_ground_truth"] is not None:
        pairs = ", ".join(f"{p} → {t}" for p, t in data["matched_with_ground_truth"])
        console.print(f"Labels were matched by looking at the ground truth: {pairs}.", soft_wrap=True)
    show_findings(console, data["findings"])


def _print_table(
    console: Console,
    title: str | None,
    headings: Sequence[str],
    rows: Sequence[tuple[Mapping[str, Any], Sequence[str]]],
    total: bool = False,
) -> None:
    """Print a row a class: under its short name where the terminal is narrow, and never with a number cut."""
    for key in ("name", "abbreviation"):
        table = Table(title=title)
        table.add_column("Class", no_wrap=True)
        for heading in headings:
            table.add_column(escape(heading), justify="right", no_wrap=True)
        for i, (entry, cells) in enumerate(rows):
            if total and i == len(rows) - 1:
                table.add_section()
            table.add_row(escape(entry[key] or entry["name"]), *cells)
        needed = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
        if needed <= console.width:
            break
    # Wider than the terminal, if it has to be: its lines then wrap, which a number survives.
    table.width = needed
    console.print(table, crop=False, no_wrap=True, overflow="ignore")


def _size(ml: float | None, voxels: int) -> str:
    return f"{voxels} voxels" if ml is None else f"{ml:.2f} ml"


def tab_separated(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as tab-separated text with a heading.

    Parameters
    ----------
    rows : sequence of mapping
        All with the same keys; None becomes "n/a", as BIDS has it.
    """
    lines = ["\t".join(rows[0])]
    lines += ["\t".join("n/a" if value is None else str(value) for value in row.values()) for row in rows]
    return "\n".join(lines) + "\n"
