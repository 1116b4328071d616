"""Which libraries are installed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "napari-gmmseg",
    "napari",
    "npe2",
    "torch",
    "numpy",
    "scipy",
    "scikit-image",
    "nibabel",
    "pydicom",
    "SimpleITK",
    "pydantic",
    "tyro",
    "superqt",
    "magicgui",
    "psygnal",
    "PyQt6",
    "PySide6",
    "PyQt5",
    "PySide2",
)


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None.

    Parameters
    ----------
    package : str
        Name on the package index.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def own_version() -> str:
    """Return the version of this package; "unknown" where it is run without being installed."""
    return installed_version("napari-gmmseg") or "unknown"


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that matter; None where one is not installed."""
    return {"python": platform.python_version()} | {name: installed_version(name) for name in PACKAGES}
