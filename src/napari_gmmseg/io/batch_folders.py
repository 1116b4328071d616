"""Tell folders and files that a batch wrote from images that a person put there."""

from __future__ import annotations

import json
from pathlib import Path

#: The table of a batch, in the folder of its results.
TABLE = "results.csv"
#: What its heading begins with.
COLUMNS = ("case", "status", "seconds", "findings", "reason", "hint", "mask")


def is_batch_table(path: Path) -> bool:
    """Whether a file is the table of a batch.

    Parameters
    ----------
    path : Path
        There or not.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().rstrip("\n").split(",")[: len(COLUMNS)] == list(COLUMNS)
    except (OSError, ValueError):
        return False


def is_batch_folder(path: Path) -> bool:
    """Whether a folder is one of a batch's results.

    Parameters
    ----------
    path : Path
        A file or folder.
    """
    return path.is_dir() and is_batch_table(path / TABLE)


def batch_files(folder: Path) -> frozenset[str]:
    """Return the names of the files in a folder that records of a batch there list as written.

    Parameters
    ----------
    folder : Path
        The folder.
    """
    found: set[str] = set()
    for path in folder.glob("*.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["case"] == path.stem and {"key", "status"} <= record.keys():
                found |= {*record["files"].values(), *record.get("hashes", ())}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return frozenset(found)
