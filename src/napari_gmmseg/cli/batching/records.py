"""What is known of each case of a batch: a JSON file a case, and one table of all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from napari_gmmseg.cli.answers import to_json
from napari_gmmseg.cli.batching.owning import target_names, written_names
from napari_gmmseg.config.preparation import MASK_WORDS
from napari_gmmseg.errors import OutputError
from napari_gmmseg.io.batch_folders import COLUMNS, TABLE
from napari_gmmseg.io.case_files import CaseFiles
from napari_gmmseg.io.sniffing import members_of
from napari_gmmseg.session.journal.files import remove_unfinished, write_whole
from napari_gmmseg.session.journal.requests import file_hash

#: What is being written now; it is gone as soon as the record is there.
_CLAIM = ".writing"
_OVERWRITE = "--overwrite-edited makes it anew."


@dataclass(frozen=True)
class Record:
    """What became of one case.

    Parameters
    ----------
    case : str
        Its name.
    key : str
        SHA-256 of its files, the settings and the version: what its result depends on.
    status : "done", "failed" or "edited"
        Whether it has a result, and whether that was changed by hand since.
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
    hashes : mapping of str to str
        SHA-256, as it was written, of each file of this case that is there, by name; also of earlier runs.
    """

    case: str
    key: str
    status: Literal["done", "failed", "edited"]
    seconds: float
    files: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    hint: str = ""
    lasting: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)

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
    overwrite_edited : bool
        Whether a case whose files were changed by hand is done again.
    """

    def __init__(
        self,
        folder: Path,
        cases: Sequence[CaseFiles],
        settings: Mapping[str, Any],
        *,
        overwrite_edited: bool = False,
    ) -> None:
        self._folder, self._settings, self._overwrite = folder, to_json(settings), overwrite_edited
        self._claimed: tuple[str, ...] = ()
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
        told = [files, names, case.contrasts, case.mask in MASK_WORDS and case.mask, case.problem, self._settings]
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
        found = self._read(case.name)
        if found is None:
            return None
        changed = self._changed(found)
        if changed and not self._overwrite:
            found = self._edited(found, changed)
        else:
            settled = found.key == key and (found.status == "done" or found.lasting)
            there = all((self._folder / file).is_file() for file in found.files.values())
            if changed or not (settled and there):
                return None
        self._records[case.name] = found
        return found

    def claim(self, case: str, files: Mapping[str, str]) -> None:
        """Note what is about to be written for a case, so that it is known as the batch's own even after a kill.

        What is there is looked at once more: the case may have taken an hour.

        Parameters
        ----------
        case : str
            Its name.
        files : mapping of str to str
            Mask and maps by kind, as `target_names` gives them.

        Raises
        ------
        OutputError
            Where somebody wrote or changed one of these files since the case was begun.
        OSError
            Where the disk is full.
        """
        self.refuse_others(case, files)
        known = self._read(case)
        if known is not None and not self._overwrite and (changed := self._changed(known)):
            raise OutputError(f"{', '.join(changed)} was changed meanwhile, and is kept.", _OVERWRITE)
        self._claimed = written_names(files)
        text = json.dumps({"case": case, "files": self._claimed})
        write_whole(self._folder / _CLAIM, lambda file: _write(file, text), private=False)

    def refuse_others(self, case: str, files: Mapping[str, str]) -> None:
        """Refuse to overwrite what no batch wrote for this case.

        Parameters
        ----------
        case : str
            Its name.
        files : mapping of str to str
            Mask and maps by kind, as `target_names` gives them.

        Raises
        ------
        OutputError
            Where such a file is there.
        """
        known = self._read(case)
        own = () if known is None else known.hashes
        others = [name for name in written_names(files) if name not in own and (self._folder / name).exists()]
        if known is None and self._path(case).exists():
            others.append(self._path(case).name)
        if others:
            raise OutputError(
                f"In {self._folder} there is {', '.join(others)}, which no batch wrote for this case.",
                "Give -o another folder, or move it away.",
            )

    def keep(self, record: Record) -> Record:
        """Write what became of a case, then the table: each is whole, whenever the program is killed.

        Parameters
        ----------
        record : Record
            Of a case whose files are written.

        Returns
        -------
        Record
            The same, with the hashes of what is there, and a word on a mask that an earlier run left.

        Raises
        ------
        OSError
            Where the disk is full.
        """
        known = self._read(record.case)
        before = {} if known is None else {n: h for n, h in known.hashes.items() if (self._folder / n).exists()}
        record = replace(record, hashes=before | self._present(self._claimed))
        mask = target_names(record.case, ())["mask"]
        if record.status == "failed" and mask in record.hashes:
            record = replace(record, reason=f"{record.reason} The mask there, {mask}, is of earlier files or settings.")
        self._records[record.case] = record
        if known is not None or not self._path(record.case).exists():
            self._write_record(record)
        self._claimed = ()
        (self._folder / _CLAIM).unlink(missing_ok=True)
        self.write_table()
        return record

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
        write_whole(self.table, lambda file: _write(file, text.getvalue()), private=False)

    def remove_unfinished(self) -> None:
        """Remove what a killed batch left half-written, and know for its own what it had just written."""
        self._recover()
        remove_unfinished(self._folder)
        for case in self._records:
            for left in self._folder.glob(f".{case}_*.nii.gz.*"):
                shutil.rmtree(left, ignore_errors=True)

    def _recover(self) -> None:
        claim = self._folder / _CLAIM
        try:
            told = json.loads(claim.read_text(encoding="utf-8"))
            case, there = str(told["case"]), self._present(told["files"])
        except (OSError, ValueError, TypeError, KeyError):
            return
        known = self._read(case)
        hashes = {} if known is None else dict(known.hashes)
        if any(hashes.get(name) != now for name, now in there.items()):
            reason = "The batch was ended while it wrote the results."
            self._write_record(Record(case, "", "failed", 0.0, reason=reason, hashes=hashes | there))
        claim.unlink()

    def _edited(self, record: Record, changed: Sequence[str]) -> Record:
        """Return the record of a case whose files a person changed: volumes are of the mask as it was written."""
        return replace(
            record,
            status="edited",
            reason=f"{', '.join(changed)} was changed after it was written, and is kept; volumes are not told.",
            hint=_OVERWRITE,
            files={"mask": mask} if (mask := target_names(record.case, ())["mask"]) in record.hashes else {},
            result={name: value for name, value in record.result.items() if name != "classes"},
        )

    def _changed(self, record: Record) -> list[str]:
        """Return those files of a case that are there and not as they were written."""
        return [name for name, now in self._present(record.hashes).items() if now != record.hashes[name]]

    def _present(self, names: Iterable[str]) -> dict[str, str]:
        """Return the hashes of those files that are there."""
        return {name: file_hash(self._folder / name) for name in names if (self._folder / name).is_file()}

    def _read(self, case: str) -> Record | None:
        """Return the record of a case as a batch wrote it; None where there is none."""
        try:
            found = Record(**json.loads(self._path(case).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return found if found.case == case else None

    def _write_record(self, record: Record) -> None:
        text = to_json(asdict(record))
        write_whole(self._path(record.case), lambda file: _write(file, text), private=False)

    def _path(self, case: str) -> Path:
        return self._folder / f"{case}.json"


def _write(file: Any, text: str) -> None:
    file.write(text.encode("utf-8"))
