"""Look at where results shall go before an hour of work, not after it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from napari_gmmseg.errors import OutputError
from napari_gmmseg.io.sidecars import bids_path, snap_path
from napari_gmmseg.io.sniffing import members_of, suffix_of

#: Formats that a mask or a map can be written in.
_IMAGES = (".nii", ".nii.gz", ".img", ".hdr", ".mgz", ".mgh", ".nrrd", ".mha", ".png", ".tif", ".tiff")


def check_images(targets: Iterable[Path | None]) -> None:
    """Refuse names whose suffix tells no format that masks and maps are written in.

    Parameters
    ----------
    targets : iterable of Path or None
        Where results shall go; None is skipped.

    Raises
    ------
    OutputError
        Where one of them has another suffix.
    """
    for target in targets:
        if target is not None and not target.is_dir() and suffix_of(target) not in _IMAGES:
            raise OutputError(
                f"{target.name} has the suffix {suffix_of(target) or '(none)'}, in which masks cannot be written.",
                f"Write one of {', '.join(_IMAGES)}, such as mask.nii.gz.",
            )


def check_targets(targets: Iterable[Path | None], sources: Iterable[Path]) -> None:
    """Refuse targets that cannot be written, or that would overwrite an input or each other.

    Parameters
    ----------
    targets : iterable of Path or None
        Where results shall go; None is skipped.
    sources : iterable of Path
        Files that are read.

    Raises
    ------
    OutputError
        Where one of them will not do.
    """
    inputs = {real for path in sources for real in real_files(path)}
    seen: set[str] = set()
    for target in targets:
        if target is None:
            continue
        real = real_files(target)
        if real & inputs:
            raise OutputError(
                f"The output {target} is one of the inputs.", "Give another name; inputs stay as they are."
            )
        if real & seen:
            raise OutputError(f"Two results would go to the same file, {target}.", "Give each a name of its own.")
        seen |= real
        _check_target(target)


def side_files(mask: Path) -> tuple[Path, ...]:
    """Return the files that are written beside a mask: names and colours for BIDS and for ITK-SNAP.

    Parameters
    ----------
    mask : Path
        The mask.
    """
    return bids_path(mask), snap_path(mask)


def real_files(path: Path) -> set[str]:
    """Return the files that a path stands for, links followed.

    Parameters
    ----------
    path : Path
        There or not.
    """
    return {os.path.realpath(member) for member in members_of(path)}


def _check_target(target: Path) -> None:
    folder = target.parent
    if target.is_dir():
        raise OutputError(f"The output {target} is a folder.", f"Give a file, such as {target / 'mask.nii.gz'}.")
    if not folder.exists():
        raise OutputError(f"The folder {folder} does not exist.", "Make it first, or check the path.")
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder.", "Check the path of the output.")
    if not os.access(folder, os.W_OK | os.X_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise OutputError(f"{target} cannot be written: no permission.", "Choose a folder of your own.")
