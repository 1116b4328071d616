"""The graphics card that is there, the one that torch sees, and the install line where they differ."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from napari_gmmseg.volumes import Finding

#: Wheel folder of PyTorch for the highest CUDA version that a driver knows, the newest first.
_WHEELS = ((13, "cu130"), (12, "cu126"), (11, "cu118"))
_INDEX = "https://download.pytorch.org/whl"


@dataclass(frozen=True)
class Cards:
    """NVIDIA graphics cards, found without torch.

    Parameters
    ----------
    names : tuple of str
        One a card.
    driver : str
        Version of the driver, or "".
    cuda : int or None
        Highest CUDA version that the driver knows, major part.
    """

    names: tuple[str, ...] = ()
    driver: str = ""
    cuda: int | None = None


@dataclass(frozen=True)
class TorchBuild:
    """What the installed torch can do.

    Parameters
    ----------
    version : str or None
        None where torch is missing or does not import.
    error : str
        Why it does not import.
    cuda : str or None
        CUDA version that it was built for.
    rocm : str or None
        ROCm version that it was built for.
    devices : tuple of str
        Accelerators that it sees.
    threads : int
        Threads that it would use.
    bfloat16 : tuple of str
        Where it multiplies bfloat16 fast, so that networks train in it.
    """

    version: str | None = None
    error: str = ""
    cuda: str | None = None
    rocm: str | None = None
    devices: tuple[str, ...] = ()
    threads: int = 1
    bfloat16: tuple[str, ...] = ()


def find_cards() -> Cards:
    """Return the NVIDIA cards that `nvidia-smi`, or else the driver's own files, tell of."""
    return _cards_by_tool() or _cards_by_driver(Path("/proc/driver/nvidia")) or Cards()


def torch_build() -> TorchBuild:
    """Import torch and return what it can do, or why it does not import."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return TorchBuild(error=str(error).splitlines()[0] if str(error) else type(error).__name__)
    devices = [f"cuda:{n} {torch.cuda.get_device_name(n)}" for n in range(_cuda_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return TorchBuild(
        version=torch.__version__,
        cuda=torch.version.cuda,
        rocm=torch.version.hip,
        devices=tuple(devices),
        threads=torch.get_num_threads(),
        bfloat16=tuple(name for name in ("cpu", *(device.split()[0] for device in devices)) if _bfloat16_fast(name)),
    )


def _bfloat16_fast(device: str) -> bool:
    try:
        from napari_gmmseg.session import multiplies_bfloat16_fast

        return multiplies_bfloat16_fast(device)
    except ImportError:
        # Some other library is missing, which the versions tell.
        return False


def torch_findings(build: TorchBuild, cards: Cards, system: str = "") -> list[Finding]:
    """Return what does not fit between torch and the cards, with the exact install line.

    Parameters
    ----------
    build : TorchBuild
        What torch can do.
    cards : Cards
        Which NVIDIA cards there are.
    system : str
        As `platform.system` tells; "" for this machine's.
    """
    if build.version is None:
        return [
            Finding(
                "torch-missing",
                f"torch does not import: {build.error}.",
                f"Install it: {install_line(cards, system)}",
                "error",
            )
        ]
    if not cards.names or any(name.startswith("cuda") for name in build.devices):
        return []
    card = cards.names[0]
    if build.cuda is None:
        return [
            Finding(
                "torch-without-cuda",
                f"There is an NVIDIA card ({card}), and the installed torch {build.version} is a build without CUDA: "
                "everything runs on the processor.",
                f"To use the card: {install_line(cards, system)}",
            )
        ]
    return [
        Finding(
            "torch-sees-no-card",
            f"There is an NVIDIA card ({card}, driver {cards.driver or 'unknown'}), and torch {build.version} for CUDA "
            f"{build.cuda} cannot use it.",
            f"Update the driver, or install a torch that fits it: {install_line(cards, system)}",
        )
    ]


def install_line(cards: Cards, system: str = "") -> str:
    """Return the line that installs the torch that fits these cards with this Python.

    Parameters
    ----------
    cards : Cards
        Which NVIDIA cards there are.
    system : str
        As `platform.system` tells; "" for this machine's.
    """
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    line = f"{python} -m pip install --upgrade --force-reinstall torch"
    if (system or platform.system()) == "Darwin":
        return line
    folder = "cpu"
    if cards.names:
        known = cards.cuda or 12
        folder = next((name for least, name in _WHEELS if known >= least), "cpu")
    return f"{line} --index-url {_INDEX}/{folder}"


def _cuda_count() -> int:
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def _cards_by_tool() -> Cards | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    listed = _output(tool, "--query-gpu=name,driver_version", "--format=csv,noheader")
    rows = [row.split(",") for row in listed.splitlines() if "," in row]
    if not rows:
        return None
    cuda = re.search(r"CUDA Version:\s*(\d+)", _output(tool))
    return Cards(tuple(row[0].strip() for row in rows), rows[0][1].strip(), int(cuda[1]) if cuda else None)


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _cards_by_driver(folder: Path) -> Cards | None:
    names = []
    for path in sorted(folder.glob("gpus/*/information")):
        model = re.search(r"Model:\s*(.+)", path.read_text(errors="replace"))
        names.append(model[1].strip() if model else "NVIDIA card")
    if not names:
        return None
    told = folder / "version"
    driver = re.search(r"(\d+\.\d+(?:\.\d+)?)", told.read_text(errors="replace")) if told.exists() else None
    return Cards(tuple(names), driver[1] if driver else "")
