"""Which files make up one case, and which contrast each has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_gmmseg.config.preparation import MOST_CHANNELS
from napari_gmmseg.errors import InputError, SettingsError
from napari_gmmseg.io.contrasts import guess_contrast


def channels_of_one_case(
    files: Sequence[Path], named: Mapping[str, Sequence[Path]], contrast: str | None
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Put positional and named files together as the channels of one case.

    Parameters
    ----------
    files : sequence of Path
        Positional files.
    named : mapping of str to sequence of Path
        Files after `--t1`, `--t2` and so on.
    contrast : str or None
        Value of `--contrast`: contrasts of the positional files, separated by commas.

    Returns
    -------
    paths : tuple of Path
        Positional files, then named ones.
    contrasts : tuple of str
        What was told, one a path ("" where it was not); empty where the files' own names shall hold.

    Raises
    ------
    InputError
        Where there is no file.
    SettingsError
        Where there are more than four, several of one contrast, or too many contrasts.
    """
    pairs = [(path, name) for name, paths in named.items() for path in paths]
    paths = (*files, *(path for path, _ in pairs))
    if not paths:
        raise InputError(
            "No image was given.", "Give one file a channel: napari-gmmseg segment T1.nii.gz -o mask.nii.gz"
        )
    if len(paths) > MOST_CHANNELS:
        raise SettingsError(
            f"{len(paths)} files were given, and they would be taken for the channels of one case, which has at most "
            f"{MOST_CHANNELS}.",
            "For many cases, run the command once for each.",
        )
    known = _known(files, contrast)
    contrasts = (*known, *(name for _, name in pairs))
    _refuse_repeated(paths, contrasts if len(contrasts) == len(paths) else ())
    return paths, contrasts if contrast is not None or pairs else ()


def _known(files: Sequence[Path], contrast: str | None) -> tuple[str, ...]:
    if contrast is None:
        return tuple(guess_contrast(path.name) for path in files)
    names = tuple(name.strip().lower() for name in contrast.split(",") if name.strip())
    if len(files) > 1 and len(names) != len(files):
        raise SettingsError(
            f"--contrast names {len(names)} contrasts for {len(files)} files.",
            "Give one for each positional file, separated by commas: --contrast t1,flair",
        )
    return names


def _refuse_repeated(paths: Sequence[Path], contrasts: Sequence[str]) -> None:
    for name in dict.fromkeys(contrasts):
        same = [path.name for path, other in zip(paths, contrasts, strict=True) if other == name]
        if name and len(same) > 1:
            raise SettingsError(
                f"Several files of one case are {name.upper()}: {', '.join(same)}.",
                "For several cases, run the command once for each; for one case, tell the contrasts apart: "
                "--t1 A --t2 B --flair C",
            )
