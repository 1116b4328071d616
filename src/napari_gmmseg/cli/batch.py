"""`napari-gmmseg batch`: many cases in, a mask each and one table out."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from napari_gmmseg import api
from napari_gmmseg.api.options import fit_config
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.batching import BatchProgress, Record, Records, refuse_inputs, show_batch, target_names
from napari_gmmseg.cli.delivering import deliver
from napari_gmmseg.cli.diagnosis.versions import own_version
from napari_gmmseg.cli.flags import DeepFlags, IslandFlags, MixtureFlags, ReadingFlags, fit_settings
from napari_gmmseg.cli.machine_errors import machine_errors
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.settings import about, otherwise
from napari_gmmseg.config import FitConfig, PreparationConfig
from napari_gmmseg.config.fit import Method
from napari_gmmseg.config.preparation import MASK_WORDS
from napari_gmmseg.errors import GmmsegError, InputError, MissingLibraryError, OutputError, SettingsError
from napari_gmmseg.io.case_files import CaseFiles, list_cases
from napari_gmmseg.session.journal.files import make_folder
from napari_gmmseg.session.journal.locking import FolderLock

_MAPS = ("probabilities", "uncertainty", "fractions", "prior")
#: Those that can be asked for.
_WANTED = ("probabilities", "uncertainty", "fractions")


@dataclass(frozen=True)
class Batch:
    """Segment many cases, one after another: what is done already is not done again, and a bad case stops nothing."""

    cases: Annotated[
        Path,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="CASES", help="A list of cases as CSV, or a folder: an image or a subfolder each."),
    ]
    output: Annotated[
        Path | None,
        tyro.conf.arg(
            aliases=["-o"],
            metavar="FOLDER",
            help="Where masks and the table results.csv go; made where it is not there.",
            help_behavior_hint="(needed)",
        ),
    ] = None
    only: Annotated[
        str, otherwise("default: all", "Names in the folder that are cases, such as '*_T1w.nii.gz'.", "PATTERN")
    ] = "*"
    mask: Annotated[
        str,
        about(
            PreparationConfig,
            "mask",
            "default: auto; a column mask goes before. Of a rule, {case}, {folder} and {stem} are filled in",
            metavar="auto|none|deepbet|RULE",
        ),
    ] = PreparationConfig.mask
    region: Annotated[
        str | None,
        otherwise("default: everywhere; a column region goes before", "Where to look, a rule as for --mask.", "RULE"),
    ] = None
    retry: Annotated[bool, tyro.conf.arg(help="Try again what failed before with the same files and settings.")] = False
    overwrite_edited: Annotated[
        bool, tyro.conf.arg(help="Make anew also what was changed by hand since; else it is kept, and flagged.")
    ] = False
    probabilities: Annotated[bool, tyro.conf.arg(help="Write the probabilities of each case, too.")] = False
    uncertainty: Annotated[bool, tyro.conf.arg(help="Write 1 - the largest probability of each case, too.")] = False
    fractions: Annotated[
        bool, tyro.conf.arg(help="Write the share of each tissue in each voxel of each case, too.")
    ] = False
    preset: Annotated[
        Literal["brain-t1", "brain-multi", "cardiac", "glioma", "custom"] | None,
        otherwise("default: brain-t1 for one channel, brain-multi for several", "Kind of image."),
    ] = None
    method: Annotated[Method, about(FitConfig, "method")] = FitConfig.method
    classes: Annotated[
        int | None, about(FitConfig, "n_classes", "default: as many as the preset names, else 3", metavar="K")
    ] = None
    steps: Annotated[int | None, about(FitConfig, "max_steps", "default: as the method needs", metavar="N")] = (
        FitConfig.max_steps
    )
    seed: Annotated[int, about(FitConfig, "seed")] = FitConfig.seed
    device: Annotated[str, about(FitConfig, "device", metavar="auto|cpu|cuda:0|mps")] = FitConfig.device
    threads: Annotated[int | None, about(FitConfig, "threads", "default: all cores but one")] = None
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )
    reading: Annotated[ReadingFlags, tyro.conf.arg(name="reading")] = field(default_factory=ReadingFlags)
    mixture: Annotated[MixtureFlags, tyro.conf.arg(name="mixture")] = field(default_factory=MixtureFlags)
    deep: Annotated[DeepFlags, tyro.conf.arg(name="deep-mixture")] = field(default_factory=DeepFlags)
    islands: Annotated[IslandFlags, tyro.conf.arg(name="islands")] = field(default_factory=IslandFlags)

    def run(self, errand: Errand, /) -> Answer:
        """Go through the cases.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        if self.output is None:
            raise SettingsError("It was not told where the results go.", "Add -o FOLDER")
        if self.cases.is_dir() and self.output.resolve() == self.cases.resolve():
            raise OutputError("The results would lie among the images.", "Give -o another folder.")
        settings = fit_settings(self)
        self._check(settings)
        cases = list_cases(self.cases, only=self.only, mask=self.mask, region=self.region, leave_out=self.output)
        refuse_inputs(self.output, cases, self._maps(), self.cases)
        make_folder(self.output, private=False)
        with _held(self.output):
            decisive = self._decisive(settings)
            records = Records(self.output, cases, decisive, overwrite_edited=self.overwrite_edited)
            records.remove_unfinished()
            errand.watch((records.table,))
            return self._go_through(cases, records, settings)

    def _maps(self) -> tuple[str, ...]:
        return tuple(what for what in _WANTED if getattr(self, what))

    def _check(self, settings: dict[str, Any]) -> None:
        """Refuse at once what every case would be refused for."""
        fit_config({name: value for name, value in settings.items() if name != "n_classes" or value is not None})
        smallest = self.islands.remove_islands
        if smallest is not None and not 0 < smallest < float("inf"):
            raise SettingsError(f"Islands have a size above 0 mm; seen: {smallest:g}.", "Give a length in mm.")

    def _decisive(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return all but the files that decides about a result."""
        own = ("preset", *_WANTED)
        told = {name: value for name, value in settings.items() if name != "threads"}
        told |= {name: getattr(self, name) for name in own} | self.reading.reading()
        return told | {"remove_islands": self.islands.remove_islands, "version": own_version()}

    def _go_through(self, cases: tuple[CaseFiles, ...], records: Records, settings: dict[str, Any]) -> Answer:
        progress, done_before, found = BatchProgress(len(cases)), 0, []
        for case in cases:
            key = records.key(case)
            record = records.settled(case, key)
            if record is None or (self.retry and record.status == "failed"):
                progress.begin(case.name)
                record = records.keep(self._try(case, key, settings, records))
                progress.end(record)
            else:
                done_before += record.status == "done"
                progress.skip(record)
            found.append(record)
        records.write_table()
        n_failed = sum(record.status == "failed" for record in found)
        n_edited = sum(record.status == "edited" for record in found)
        n_done = len(found) - n_failed - n_edited
        counts = {"cases": len(found), "done": n_done, "failed": n_failed, "edited": n_edited}
        data = {
            "counts": counts | {"done_now": n_done - done_before, "done_before": done_before},
            "cases": [record.row() | {"key": record.key} for record in found],
            "table": records.table,
        }
        return Answer(data, lambda console: show_batch(console, data), 1 if n_failed else 0)

    def _try(self, case: CaseFiles, key: str, settings: dict[str, Any], records: Records) -> Record:
        """Segment one case; whatever goes wrong with it is its record."""
        began = time.monotonic()
        try:
            with machine_errors():
                files, result = self._segment(case, settings, records)
        except GmmsegError as error:
            # What the machine refused once it may grant the next time.
            told: dict[str, Any] = {"reason": error.message, "hint": error.hint, "lasting": _lasting(error)}
        except Exception as error:  # noqa: BLE001 - a fault of ours in one case must not take the others along
            told = {
                "reason": f"Unexpected: {type(error).__name__}: {error}",
                "hint": "Please report it, with the traceback in the case's JSON file.",
                "result": {"traceback": traceback.format_exc()},
            }
        else:
            return Record(case.name, key, "done", time.monotonic() - began, files, result=result)
        finally:
            gc.collect()
        return Record(case.name, key, "failed", time.monotonic() - began, **told)

    def _segment(
        self, case: CaseFiles, settings: dict[str, Any], records: Records
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the files that were written for a case, and what there is to tell of it."""
        if case.problem:
            raise InputError(case.problem, case.hint)
        if self.output is None:
            raise SettingsError("It was not told where the results go.", "Add -o FOLDER")
        volume = api.read(case.images, contrasts=case.contrasts, **self.reading.reading())
        if self.islands.remove_islands is not None and volume.geometry.unit != "mm":
            raise SettingsError(
                "--remove-islands is in mm, and the image tells no voxel size.", "Tell it by --spacing."
            )
        names = target_names(case.name, self._maps())
        records.refuse_others(case.name, names)
        maps = {what: self.output / names[what] if what in names else None for what in _MAPS}
        target = self.output / names["mask"]
        api.check_writable(target, volume, **maps)
        mask = case.mask if case.mask in MASK_WORDS else Path(case.mask)
        place: dict[str, Any] = {
            "mask": mask,
            "region": case.region,
            "resample": self.reading.resample,
            "preset": self.preset,
        }
        with FitProgress() if sys.stderr.isatty() else nullcontext() as shown:
            result = api.segment(volume, progress=shown, **place, **settings)
        if self.islands.remove_islands is not None:
            result = api.remove_islands(result, self.islands.remove_islands)
        records.claim(case.name, names)
        answer = deliver(Errand(), result, volume.channels, target, maps, {"inputs": case.files()})
        told = {name: value for name, value in answer.data.items() if name not in ("files", "side_files")}
        return names, told


def _lasting(error: GmmsegError) -> bool:
    return error.exit_code == 2 and not isinstance(error, (MissingLibraryError, OutputError))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder of the results for this process alone."""
    try:
        lock = FolderLock(folder)
    except BlockingIOError as error:
        raise OutputError(
            f"Another batch is at work in {folder}.", "Wait for its end, or name another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()
