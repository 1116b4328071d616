"""`napari-gmmseg predict`: files and a trained network in, a mask out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.channels import channels_of_one_case
from napari_gmmseg.cli.delivering import deliver
from napari_gmmseg.cli.flags import ChannelFlags
from napari_gmmseg.cli.settings import about, otherwise
from napari_gmmseg.cli.targets import check_images, check_targets
from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.errors import InputError, SettingsError

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Predict:
    """Predict with a network that `train` wrote: one case, whose files are its channels, or every case of a list."""

    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        otherwise(
            "at least one, here or after --t1 and so on", "Channels of one case: images or DICOM folders.", "FILE"
        ),
    ] = ()
    cases: Annotated[
        Path | None,
        otherwise(
            "default: the files are one case",
            "A list of cases as train takes it, instead of files: -o is then a folder with a mask for each.",
            "CSV",
        ),
    ] = None
    model: Annotated[Path | None, otherwise("needed", "The network, written by train.", "FILE")] = None
    output: Annotated[
        Path | None,
        tyro.conf.arg(
            aliases=["-o"],
            metavar="FILE",
            help="The mask to write, on the grid of the first file; with --cases a folder.",
            help_behavior_hint="(needed)",
        ),
    ] = None
    attribute: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        otherwise("repeatable; default: nothing is known", "What is known of the patient.", "NAME=VALUE"),
    ] = ()
    probabilities: Annotated[
        Path | None,
        otherwise("default: not written", "Write the probabilities here, one volume a class, background last.", "FILE"),
    ] = None
    uncertainty: Annotated[
        Path | None, otherwise("default: not written", "Write 1 - the largest probability here.", "FILE")
    ] = None
    device: Annotated[str, about(TrainingConfig, "device", metavar="auto|cpu|cuda:0|mps")] = TrainingConfig.device
    threads: Annotated[int | None, about(TrainingConfig, "threads", "default: all cores but one")] = None
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )
    channels: Annotated[ChannelFlags, tyro.conf.arg(name="channel")] = field(default_factory=ChannelFlags)

    def run(self, errand: Errand, /) -> Answer:
        """Read, predict, write.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        if self.model is None or self.output is None:
            what = "which network to use" if self.model is None else "where to write"
            flag = "--model M.safetensors" if self.model is None else "-o M.nii.gz"
            raise SettingsError(f"It was not told {what}.", f"Add {flag}")
        if self.cases is not None:
            return self._list(self.cases, self.model, self.output)
        paths, contrasts = channels_of_one_case(self.files, self.channels.named(), self.channels.contrast)
        maps = {"probabilities": self.probabilities, "uncertainty": self.uncertainty, "prior": None}
        check_images((self.output, *maps.values()))
        check_targets((self.output, *maps.values()), (*paths, self.model))
        attributes = dict(_pair(words) for words in self.attribute)
        volume = api.read(paths, contrasts=contrasts, **self.channels.reading())
        api.check_writable(self.output, volume, **maps)
        result = api.predict(self.model, volume, attributes=attributes, device=self.device, threads=self.threads)
        told = {"inputs": paths, "model": self.model}
        return deliver(errand, result, volume.channels, self.output, maps, told)

    def _list(self, cases: Path, model: Path, folder: Path) -> Answer:
        """Predict every case of a list."""
        given = {
            "files": (*self.files, *(path for paths in self.channels.named().values() for path in paths)),
            "--attribute": self.attribute,
            "--probabilities": self.probabilities,
            "--uncertainty": self.uncertainty,
            "--contrast": self.channels.contrast,
        }
        if idle := [name for name, value in given.items() if value]:
            raise SettingsError(
                f"Without meaning beside --cases: {', '.join(idle)}.",
                "The list names files and attributes; maps are written for single cases.",
            )
        results = api.predict_cases(
            model, cases, folder, device=self.device, threads=self.threads, progress=_say, **self.channels.reading()
        )
        if all(result.mask is None for result in results):
            first = results[0]
            raise InputError(f"None of {len(results)} cases was predicted; {first.case}: {first.error}", first.hint)
        data = {
            "cases": [asdict(result) for result in results],
            "predicted": sum(result.mask is not None for result in results),
            "failed": sum(result.mask is None for result in results),
            "folder": folder,
            "model": model,
        }
        return Answer(data, lambda console: show_predicted(console, data), 1 if data["failed"] else 0)


def _say(result: api.ListedResult, number: int, n_cases: int) -> None:
    what = f"Error: {result.error} {result.hint}".rstrip() if result.mask is None else str(result.mask)
    print(f"{number}/{n_cases} {result.case}: {what}", file=sys.stderr)  # noqa: T201 - progress


def show_predicted(console: Console, data: Mapping[str, Any]) -> None:
    """Print what became of each case of a list, and how many there are.

    Parameters
    ----------
    console : Console
        Standard output.
    data : mapping
        What `--json` prints.
    """
    from rich.markup import escape
    from rich.table import Table

    names = list(dict.fromkeys(name for case in data["cases"] for name in case["volumes_ml"]))
    table = Table("case", *(f"{name} [ml, hard]" for name in map(escape, names)), "remarks")
    for case in data["cases"]:
        volumes = [f"{case['volumes_ml'][name]:.1f}" if name in case["volumes_ml"] else "" for name in names]
        remarks = case["error"] or " ".join(case["findings"])
        table.add_row(escape(case["case"]), *volumes, escape(remarks))
    console.print(table)
    failed = f", {data['failed']} failed" if data["failed"] else ""
    console.print(
        escape(f"{data['predicted']} of {len(data['cases'])} cases predicted{failed}; masks in {data['folder']}")
    )


def _pair(words: str) -> tuple[str, str]:
    name, sign, value = words.partition("=")
    if not sign or not name.strip():
        raise SettingsError(f"{words!r} does not tell an attribute and its value.", "Write --attribute age=45.")
    return name.strip(), value.strip()
