"""Tell a file's format by its content, and hold it against its suffix."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from napari_gmmseg.errors import InputError

#: Suffixes of each family, longest first where one ends with another.
SUFFIXES: dict[str, tuple[str, ...]] = {
    "nifti": (".nii.gz", ".nii", ".img.gz", ".hdr.gz", ".img", ".hdr"),
    "mgh": (".mgz", ".mgh"),
    "itk": (".nrrd", ".nhdr", ".mha", ".mhd"),
    "picture": (".png", ".tif", ".tiff", ".jpg", ".jpeg"),
    "dicom": (".dcm", ".ima", ".dicom"),
}
ALL_SUFFIXES = tuple(s for family in SUFFIXES.values() for s in family)
#: Headers whose voxels lie in other files, which NRRD names by "data file:" and MetaImage by "ElementDataFile =".
_DETACHED = (".nhdr", ".mhd")
_DATA_FILE = re.compile(
    r"^(?:data ?file:|ElementDataFile[ \t]*=)[ \t]*(\S[^\r\n]{0,4095})", re.IGNORECASE | re.MULTILINE
)
_SERIES = re.compile(r"([^%]*%0?\d{0,2}[di][^%]*?)[ \t]+(\d{1,5})[ \t]+(\d{1,5})(?:[ \t]+(\d{1,5}))?(?:[ \t]+\d+)?")
_HEADER_BYTES = 1 << 20
_COMPRESSED = (".gz", ".mgz")
#: Bytes read from the start; DICOM's mark is at 128, NIfTI's at 344.
_HEAD = 352


def suffix_of(path: Path) -> str:
    """Return the known suffix that a file's name ends with, in lower case; else its last suffix.

    Parameters
    ----------
    path : Path
        The file.
    """
    name = path.name.lower()
    return next((s for s in ALL_SUFFIXES if name.endswith(s)), path.suffix.lower())


def stem_of(path: Path) -> str:
    """Return a file's name without its known suffix.

    Parameters
    ----------
    path : Path
        The file.
    """
    suffix = suffix_of(path)
    return path.name[: -len(suffix)] if suffix else path.name


def members_of(path: Path) -> tuple[Path, ...]:
    """Return the files that a path stands for: voxels and header, whichever of a pair is named.

    Parameters
    ----------
    path : Path
        The file. Of an NRRD or MetaImage header (.nhdr, .mhd) that is there, the files that it names come after it.
    """
    suffix = suffix_of(path)
    if suffix in _DETACHED:
        return (path, *_named_in(path))
    voxels = suffix.replace(".hdr", ".img")
    if not voxels.startswith(".img"):
        return (path,)
    stem = stem_of(path)
    return path.with_name(f"{stem}{voxels}"), path.with_name(f"{stem}{voxels.replace('.img', '.hdr')}")


def _named_in(header: Path) -> tuple[Path, ...]:
    """Return the files of voxels that a header names: one, a LIST in lines of its own, or a pattern with its range."""
    try:
        with header.open("rb") as file:
            text = file.read(_HEADER_BYTES).decode("utf-8", errors="replace").replace("\0", "")
    except OSError:
        return ()
    found = _DATA_FILE.search(text)
    told = "" if found is None else found[1].strip()
    if found is None or told.upper() == "LOCAL":
        return ()
    names = [told]
    if told.split()[0].upper() == "LIST":
        names = [line.strip() for line in text[found.end() :].splitlines()]
    elif series := _SERIES.fullmatch(told):
        first, last, step = (int(number or 1) for number in series.groups()[1:])
        names = [series[1] % number for number in range(first, last + 1, max(step, 1))]
    return tuple(header.parent / name for name in names if name)


def _family_by_suffix(path: Path) -> str:
    suffix = suffix_of(path)
    return next((family for family, known in SUFFIXES.items() if suffix in known), "")


def _head(path: Path) -> tuple[bytes, bool]:
    """Read the first bytes, unpacked, and say whether they were packed."""
    try:
        with path.open("rb") as file:
            raw = file.read(_HEAD)
        if raw[:2] != b"\x1f\x8b":
            return raw, False
        with gzip.open(path, "rb") as packed:
            return packed.read(_HEAD), True
    except PermissionError as error:
        raise InputError(f"{path} may not be read: permission denied.", "Ask for the right to read it.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path.name} cannot be unpacked: {error}.", "The file is cut off or damaged: copy or export it again."
        ) from error


def _family_by_content(head: bytes) -> str:
    """Name the family that the first bytes tell, or ""."""
    if head[4:8] in (b"n+2\0", b"ni2\0") or head[344:348] in (b"n+1\0", b"ni1\0"):
        return "nifti"
    if head[128:132] == b"DICM":
        return "dicom"
    marks = {
        b"\x89PNG": "picture",
        b"II*\0": "picture",
        b"MM\0*": "picture",
        b"II+\0": "picture",
        b"MM\0+": "picture",
        b"\xff\xd8\xff": "picture",
        b"NRRD": "itk",
        b"ObjectType": "itk",
        b"NDims": "itk",
        b"\0\0\0\x01\0\0": "mgh",
    }
    return next((family for mark, family in marks.items() if head.startswith(mark)), "")


def family_of(path: Path) -> str:
    """Tell which reader a file needs: "nifti", "mgh", "itk", "picture" or "dicom".

    Parameters
    ----------
    path : Path
        An existing file.

    Raises
    ------
    InputError
        Where the file is empty, its content is no known image, or its suffix says something else.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes).", "Copy or export it again.")
    head, packed = _head(path)
    inside, named = _family_by_content(head), _family_by_suffix(path)
    if inside == "dicom" and named in ("", "dicom"):
        return "dicom"
    suffix = suffix_of(path)
    if inside and named and inside != named:
        raise InputError(
            f"{path.name} ends in {suffix}, but what it holds is {_WORDS[inside]}.",
            f"Give it a suffix that fits: {', '.join(SUFFIXES[inside])}.",
        )
    if inside and not named:
        raise InputError(
            f"{path.name} holds {_WORDS[inside]}, but its suffix {suffix or '(none)'} does not say so.",
            f"Give it a suffix that fits: {', '.join(SUFFIXES[inside])}.",
        )
    if named in ("nifti", "mgh") and packed != suffix.endswith(_COMPRESSED):
        state = "is" if packed else "is not"
        raise InputError(
            f"{path.name} {state} compressed, and its suffix {suffix} says otherwise.",
            f"Rename it to {stem_of(path)}{'.nii.gz' if packed else '.nii'}, or export it again.",
        )
    if named in ("nifti", "dicom", "itk") and (inside or suffix in _MARKLESS):
        return named
    if inside:
        return inside
    raise InputError(
        f"{path.name} is not an image that can be read here.",
        f"Give one of: {', '.join(ALL_SUFFIXES)}, or a folder of DICOM files.",
    )


_WORDS = {
    "nifti": "a NIfTI image",
    "mgh": "an MGH image",
    "itk": "an NRRD or MetaImage",
    "picture": "a picture (PNG, TIFF or JPEG)",
    "dicom": "a DICOM image",
}
#: Formats whose files need not carry a mark of their own: voxels of a pair, Analyze headers, MetaImage, bare DICOM.
_MARKLESS = (".img", ".img.gz", ".hdr", ".hdr.gz", ".mhd", ".mha", ".dcm", ".ima", ".dicom")
