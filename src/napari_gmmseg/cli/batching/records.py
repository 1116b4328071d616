"""What is known of each case of a batch: a JSON file a case, and one table of all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from napari_gmmseg.cli.answers import to_json
from napari_gmmseg.io.batch_folders import COLUMNS, TABLE
from napari_gmmseg.io.case_files import CaseFiles
from napari_gmmseg.io.sniffing import members_of
from napari_gmmseg.session.journal.files import remove_unfinished, write_whole
from napari_gmmseg.session.journal.requests import file_hash


@dataclass(frozen=True)
class Record:
    """What became of one case.

    Parameters
    ----------
    case : str
        Its name.
    key : str
        SHA-256 of its files, the settings and the version: what its result depends on.
    status : "done" or "failed"
        Whether it has a result.
    seconds : float
        From reading to written.
    files : mapping of str to str
        What was written, by kind, relative to the folder of the results.
    reason, hint : str
        Why it failed, and what to do.
    lasting : bool
        Whether it would fail again as long as its key is the same.
    result : mapping
        What `segment --json` tells of it.
    """

    case: str
    key: str
    status: Literal["done", "failed"]
    seconds: float
    files: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    hint: str = ""
    lasting: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Return its row of the table."""
        findings = [entry["code"] for entry in self.result.get("findings", ()) if entry["severity"] != "note"]
        volumes = {f"volume_ml_{entry['abbreviation'] or entry['name']}": entry for entry in self._classes()}
        return {
            "case": self.case,
            "status": self.status,
            "seconds": f"{self.seconds:.2f}",
            "findings": " ".join(dict.fromkeys(findings)),
            "reason": self.reason,
            "hint": self.hint,
            "mask": self.files.get("mask", ""),
            **{
                name: "" if entry["volume_ml"] is None else f"{entry['volume_ml']:.3f}"
                for name, entry in volumes.items()
            },
        }

    def _classes(self) -> Sequence[Mapping[str, Any]]:
        classes: Sequence[Mapping[str, Any]] = self.result.get("classes", ())
        return sorted(classes, key=lambda entry: int(entry["value"]))


class Records:
    """The records of a batch in the folder of its results.

    Parameters
    ----------
    folder : Path
        There already, and nobody else's as long as this lives.
    cases : sequence of CaseFiles
        All cases, in the order of the table.
    settings : mapping
        What the results depend on beside the files; as JSON has it.
    """

    def __init__(self, folder: Path, cases: Sequence[CaseFiles], settings: Mapping[str, Any]) -> None:
        self._folder, self._settings = folder, to_json(settings)
        self._records: dict[str, Record | None] = {case.name: None for case in cases}

    @property
    def table(self) -> Path:
        """The table of all cases."""
        return self._folder / TABLE

    def key(self, case: CaseFiles) -> str:
        """Return the hash of all that a case's result depends on: contents of its files, settings, version.

        Parameters
        ----------
        case : CaseFiles
            The case; files that are gone count as such.
        """
        files = [[file_hash(member) for member in members_of(path)] for path in case.files()]
        # Names tell contrasts, so a file that is renamed is another input; where it lies does not matter.
        names = [path.name for path in case.files()]
        told = [files, names, case.contrasts, case.mask in ("auto", "none") and case.mask, case.problem, self._settings]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def settled(self, case: CaseFiles, key: str) -> Record | None:
        """Return what is known of a case if nothing has to be done for it, and have the table tell it.

        Parameters
        ----------
        case : CaseFiles
            The case.
        key : str
            Its present key.
        """
        try:
            found = Record(**json.loads(self._path(case.name).read_text(encoding="utf-8")))
            valid = found.key == key and all((self._folder / file).is_file() for file in found.files.values())
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        if not valid or not (found.status == "done" or found.lasting):
            return None
        self._records[case.name] = found
        return found

    def keep(self, record: Record) -> None:
        """Write what became of a case, then the table: each is whole, whenever the program is killed.

        Parameters
        ----------
        record : Record
            Of a case whose files are written.

        Raises
        ------
        OSError
            Where the disk is full.
        """
        self._records[record.case] = record
        text = to_json(asdict(record))
        write_whole(self._path(record.case), lambda file: _write(file, text))
        self.write_table()

    def write_table(self) -> None:
        """Write the table of all cases; those that have no record wait.

        Raises
        ------
        OSError
            Where the disk is full.
        """
        rows = [{"case": case, "status": "waiting"} if r is None else r.row() for case, r in self._records.items()]
        columns = list(dict.fromkeys((*COLUMNS, *(name for row in rows for name in row))))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.table, lambda file: _write(file, text.getvalue()))

    def remove_unfinished(self) -> None:
        """Remove what a killed batch left half-written."""
        remove_unfinished(self._folder)
        for case in self._records:
            for left in self._folder.glob(f".{case}_*.nii.gz.*"):
                shutil.rmtree(left, ignore_errors=True)

    def _path(self, case: str) -> Path:
        return self._folder / f"{case}.json"


def _write(file: Any, text: str) -> None:
    file.write(text.encode("utf-8"))
