"""`napari-gmmseg demo`: the brain that comes along, segmented, with a picture and a table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.tables import segmentation_data, show_evaluation, show_segmentation, tab_separated
from napari_gmmseg.cli.targets import check_targets, side_files
from napari_gmmseg.errors import OutputError

_WHY_CSF_DIFFERS = (
    "CSF differs because in these maps it is what grey and white matter leave of the brain mask, not what looks like "
    "fluid: in an average of many brains, thin sulci are blurred."
)


@dataclass(frozen=True)
class Demo:
    """Segment the brain that comes along. Needs no network and no screen."""

    output: Annotated[
        Path, tyro.conf.arg(aliases=["-o"], help="Folder for mask, probabilities, picture and table; made if needed.")
    ] = Path("napari-gmmseg-demo")
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )

    def run(self, errand: Errand, /) -> Answer:
        """Segment, compare with the maps, draw, write.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        from napari_gmmseg.figures import overlay_picture, save_picture
        from napari_gmmseg.io.sample import load_sample, load_sample_labels

        files = {
            "mask": self.output / "brain_dseg.nii.gz",
            "probabilities": self.output / "brain_probabilities.nii.gz",
            "picture": self.output / "brain_overlay.png",
            "table": self.output / "brain_table.tsv",
        }
        _make_folder(self.output)
        check_targets(files.values(), ())
        volume, truth = load_sample("brain"), load_sample_labels("brain")
        with FitProgress() as progress:
            result = api.segment(volume, preset="brain-t1", progress=progress)
        evaluation = api.evaluate(result.label_map, truth)
        beside = side_files(files["mask"])
        errand.watch((*files.values(), *beside))
        api.write(files["mask"], result, probabilities=files["probabilities"])
        picture = overlay_picture(volume, result.label_map, title="MNI152 brain", caption=f"Method: {result.method}.")
        save_picture(files["picture"], picture)
        written = {"files": files, "side_files": beside}
        data = segmentation_data(result, volume.channels) | written | {"evaluation": evaluation.as_dict()}
        _write_whole(files["table"], tab_separated(_rows(data)))

        def show(console: Any) -> None:
            show_segmentation(console, data)
            console.print("Against the most likely tissue of the maps that come along:")
            show_evaluation(console, data["evaluation"])
            console.print(_WHY_CSF_DIFFERS, soft_wrap=True)

        return Answer(data, show)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder} is a file, not a folder.", "Give the name of a folder.") from error


def _rows(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row a class: what was found, and how it agrees with the maps."""
    compared = {entry["value"]: entry for entry in data["evaluation"]["classes"]}
    rows = []
    for entry in data["classes"]:
        other = compared[entry["value"]]
        rows.append(
            {
                "label": entry["value"],
                "name": entry["name"],
                "volume_ml_hard": round(entry["volume_ml_hard"], 3),
                "volume_ml_soft": round(entry["volume_ml_soft"], 3),
                "share": round(entry["share"], 4),
                **{f"mean_{channel}": round(mean, 4) for channel, mean in entry["means"].items()},
                "dice": round(other["dice"], 4),
                "hd95_mm": other["hd95_mm"],
            }
        )
    return rows


def _write_whole(path: Path, text: str) -> None:
    """Write a text file under another name and rename it, so that it is whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
