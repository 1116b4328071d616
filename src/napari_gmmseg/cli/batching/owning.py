"""Whose the files are that a batch would write: none of them may be an input, or another program's or person's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from napari_gmmseg.cli.targets import real_files, side_files
from napari_gmmseg.errors import OutputError
from napari_gmmseg.io.batch_folders import TABLE, is_batch_table
from napari_gmmseg.io.case_files import CaseFiles

_HINT = "Give -o another folder; what is there stays as it is."


def target_names(case: str, maps: Iterable[str]) -> dict[str, str]:
    """Return the names of a case's mask and maps, by kind.

    Parameters
    ----------
    case : str
        Its name.
    maps : iterable of str
        Kinds of maps that are wanted, such as "uncertainty".
    """
    return {"mask": f"{case}_dseg.nii.gz"} | {what: f"{case}_{what}.nii.gz" for what in maps}


def written_names(files: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of all files that are written for a case beside its record.

    Parameters
    ----------
    files : mapping of str to str
        Mask and maps by kind, as `target_names` gives them.
    """
    return (*files.values(), *(path.name for path in side_files(Path(files["mask"]))))


def refuse_inputs(folder: Path, cases: Sequence[CaseFiles], maps: Sequence[str], listed: Path) -> None:
    """Refuse a folder of results in which an input, or a table of another origin, would be overwritten.

    Parameters
    ----------
    folder : Path
        Where results shall go; it need not be there.
    cases : sequence of CaseFiles
        All cases.
    maps : sequence of str
        Kinds of maps that are wanted.
    listed : Path
        The list, or the folder of images.

    Raises
    ------
    OutputError
        Where it will not do.
    """
    if not folder.is_dir():
        return
    sources = [part for case in cases for path in case.files() for part in _parts(path)]
    names = [name for case in cases for name in (*written_names(target_names(case.name, maps)), f"{case.name}.json")]
    inputs = {real for path in (listed, *sources) for real in real_files(path)}
    for target in (folder / name for name in (TABLE, *names)):
        if real_files(target) & inputs:
            raise OutputError(f"The output {target} is one of the inputs.", _HINT)
    if (folder / TABLE).exists() and not is_batch_table(folder / TABLE):
        raise OutputError(f"{folder / TABLE} is there, and no batch wrote it.", _HINT)


def _parts(path: Path) -> tuple[Path, ...]:
    """Return a file, or those of a DICOM folder."""
    with suppress(OSError):
        if path.is_dir():
            return tuple(path.iterdir())
    return (path,)
