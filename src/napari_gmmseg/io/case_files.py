"""The files of many cases, one after another: a row of a list each, or a file or subfolder of a folder each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from napari_gmmseg.config.preparation import MASK_WORDS
from napari_gmmseg.errors import InputError, SettingsError
from napari_gmmseg.io.batch_folders import batch_files, is_batch_folder
from napari_gmmseg.io.case_lists import image_columns, rows_of
from napari_gmmseg.io.contrasts import guess_contrast
from napari_gmmseg.io.lgg import is_lgg_folder
from napari_gmmseg.io.sniffing import ALL_SUFFIXES, SUFFIXES, family_of, members_of, stem_of, suffix_of

_MASK, _REGION = "mask", "region"
_ASK = "Ask for the right to read it."
#: What a name may hold that becomes part of a file's name.
_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
_BRACES = re.compile(r"\{([^{}]*)\}")
_PLACES = ("case", "folder", "stem")
#: Bytes of a name: results and what is half-written add up to 32, and file systems end at 255.
_LONGEST = 200


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case; nothing of them is read yet.

    Parameters
    ----------
    name : str
        Unlike every other case's, and fit for a file's name.
    images : tuple of Path
        Its channels, one file or DICOM folder each.
    contrasts : tuple of str
        One a channel, "" where it is not told; empty where the files' own names and headers shall tell.
    mask : str
        "auto", "none", "deepbet" or the path of a file.
    region : Path or None
        Where to look.
    problem : str
        Why it cannot be segmented, as one sentence; "" where nothing is known against it.
    hint : str
        What to do about the problem.
    """

    name: str
    images: tuple[Path, ...]
    contrasts: tuple[str, ...] = ()
    mask: str = "auto"
    region: Path | None = None
    problem: str = ""
    hint: str = "Give a list of cases with a column for each contrast."

    def files(self) -> tuple[Path, ...]:
        """Return all that is read of it."""
        masks = () if self.mask in MASK_WORDS else (Path(self.mask),)
        return (*self.images, *masks, *(() if self.region is None else (self.region,)))


def list_cases(
    path: str | Path,
    *,
    only: str = "*",
    mask: str = "auto",
    region: str | None = None,
    leave_out: Path | None = None,
) -> tuple[CaseFiles, ...]:
    """Return the cases of a list or of a folder, without reading their images.

    A list is a CSV file as `read_case_list` takes it; `label` and `split` need not be there, and are not looked at.
    Columns `mask` and `region` go before the rules of the same names. In a folder, every image and every folder of
    DICOM files is a case; another subfolder is a case if it holds one image, or several whose names tell their
    contrasts. What a batch wrote is no case. A name that is too long for a file is cut, and ends with a hash of itself.

    Parameters
    ----------
    path : path
        The list, or the folder.
    only : str
        Names in the folder that count, such as "*_T1w.nii.gz".
    mask : str
        "auto", "none", "deepbet", or the mask's path, in which {case} is the case's name, {folder} that of its first
        image, and {stem} its first image's name without suffix; relative to the folder, or to that of the list.
    region : str or None
        The region's path, likewise.
    leave_out : Path or None
        What in the folder is no case, with all in it: where results go.

    Raises
    ------
    InputError
        Where there is no case, or several have one name.
    SettingsError
        Where a rule has braces around something else.
    """
    path = Path(path)
    for rule in (mask, region or ""):
        for word in _BRACES.findall(rule):
            if word not in _PLACES:
                raise SettingsError(
                    f"The rule {rule!r} holds {{{word}}}, which is nothing that a case has.",
                    "Write {case}, {folder} or {stem}, such as {folder}/{stem}_mask.nii.gz.",
                )
    if not path.exists():
        raise InputError(f"There is no list or folder {path}.", "Check the path.")
    found = _of_folder(path, only, mask, region, leave_out) if path.is_dir() else _of_list(path, mask, region)
    names = [case.name.lower() for case in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"Several cases of {path.name} are called {', '.join(twice)}.",
            "Give each a name of its own: results are named by it.",
        )
    return found


def _of_list(path: Path, mask: str, region: str | None) -> tuple[CaseFiles, ...]:
    rows = rows_of(path)
    columns = image_columns(path, rows[0])
    cases = []
    for number, row in enumerate(rows, start=1):
        there = [name for name in columns if row[name]]
        images = tuple(path.parent / row[name] for name in there)
        contrasts = tuple("" if name.startswith("image") else name for name in there)
        told = tuple(name or guess_contrast(image.name) for name, image in zip(contrasts, images, strict=True))
        name = _file_name(row.get("case") or f"{path.stem}-{number:03d}")
        rules = (row.get(_MASK) or mask, row.get(_REGION) or region)
        problem = "" if images else f"{path.name}, row {number + 1} names no image."
        cases.append(_case(name, images, told if any(contrasts) else (), rules, path.parent, problem))
    return tuple(cases)


def _of_folder(folder: Path, only: str, mask: str, region: str | None, leave_out: Path | None) -> tuple[CaseFiles, ...]:
    if is_lgg_folder(folder):
        raise InputError(
            f"{folder} is laid out like the LGG data, a file a slice.", "Give volumes; `train` takes such a folder."
        )
    rules = (mask, region)
    found, problems, written = [], {}, lru_cache(batch_files)
    for path in sorted(folder.glob(only)):
        if path.name.startswith(".") or _is_result(path, folder, leave_out, written):
            continue
        try:
            images = (path,) if _is_image(path) else _images_in(path) if path.is_dir() else ()
        except OSError as error:
            images, problems[path] = (path,), f"{path} cannot be read: {error.strerror}."
        if images:
            found.append((_file_name(path.name if path.is_dir() else stem_of(path)), images))
    # A mask that a rule finds beside an image is no image of a case.
    own = (_case(name, images, (), rules, folder, "").files()[len(images) :] for name, images in found)
    masks = {file.resolve() for files in own for file in files}
    kept = [(name, tuple(image for image in images if image.resolve() not in masks)) for name, images in found]
    cases = tuple(
        replace(case, problem=problems[case.images[0]], hint=_ASK)
        if case.images[0] in problems
        else replace(case, problem=_doubt(case.images))
        for case in (_case(name, images, (), rules, folder, "") for name, images in kept if images)
    )
    if not cases:
        raise InputError(
            f"{folder} holds no case{'' if only == '*' else f' that is named like {only}'}.",
            "A case is an image, a folder of DICOM files, or a subfolder with the images of one case.",
        )
    return cases


def _is_result(path: Path, folder: Path, leave_out: Path | None, written: Callable[[Path], frozenset[str]]) -> bool:
    """Whether a file or subfolder of a folder is what this batch, or an earlier one, wrote."""
    real = path.resolve()
    if leave_out is not None and leave_out.resolve() in (real, *real.parents):
        return True
    between = [inside for inside in (path, *path.parents) if folder in inside.parents]
    try:
        return any(is_batch_folder(inside) for inside in between) or path.name in written(path.parent)
    except OSError:
        # It is told where its images are looked for.
        return False


def _case(
    name: str,
    images: tuple[Path, ...],
    contrasts: tuple[str, ...],
    rules: tuple[str, str | None],
    at: Path,
    problem: str,
) -> CaseFiles:
    mask, region = (rule if rule is None else _filled(rule, name, images, at) for rule in rules)
    return CaseFiles(name, images, contrasts, mask or "auto", None if region is None else Path(region), problem)


def _filled(rule: str, name: str, images: tuple[Path, ...], at: Path) -> str:
    """Return the path that a rule gives for a case."""
    if rule in MASK_WORDS:
        return rule
    first = images[0] if images else at
    stem = first.name if first.is_dir() else stem_of(first)
    values = {"case": name, "folder": str(first.parent.absolute()), "stem": stem}
    return str(at / _BRACES.sub(lambda found: values[found[1]], rule))


def _doubt(images: tuple[Path, ...]) -> str:
    """Return what speaks against taking the images of a subfolder for the channels of one case."""
    unknown = [path.name for path in images if not guess_contrast(path.name)]
    if len(images) < 2 or not unknown:
        return ""
    return (
        f"{images[0].parent.name} holds {len(images)} images, and the names of {', '.join(unknown)} do not tell which "
        "contrasts they are."
    )


def _is_image(path: Path) -> bool:
    """Whether a file's suffix is an image's; of a pair, the voxels count."""
    suffix = suffix_of(path)
    if not path.is_file() or suffix not in ALL_SUFFIXES:
        return False
    return not suffix.startswith(".hdr") or not members_of(path)[0].exists()


def _images_in(folder: Path) -> tuple[Path, ...]:
    """Return the channels in a folder: itself where it holds DICOM files, else images and such folders."""
    there, written = tuple(folder.iterdir()), batch_files(folder)
    inside = sorted(path for path in there if not path.name.startswith(".") and path.name not in written)
    if _holds_dicom(inside):
        return (folder,)
    return tuple(path for path in inside if _is_image(path) or (path.is_dir() and _holds_dicom(sorted(path.iterdir()))))


def _holds_dicom(inside: Sequence[Path]) -> bool:
    """Whether the first file among these that could be DICOM is."""
    for path in inside:
        if path.is_file() and (suffix_of(path) in SUFFIXES["dicom"] or suffix_of(path) not in ALL_SUFFIXES):
            with suppress(InputError, OSError):
                return family_of(path) == "dicom"
    return False


def _file_name(name: str) -> str:
    fit = _NOT_IN_NAMES.sub("_", name).strip(".") or "case"
    whole = fit.encode()
    if len(whole) <= _LONGEST:
        return fit
    return f"{whole[: _LONGEST - 9].decode(errors='ignore')}-{hashlib.sha256(whole).hexdigest()[:8]}"
