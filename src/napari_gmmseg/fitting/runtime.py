"""Where and on how many threads a fit runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from napari_gmmseg.errors import SettingsError


def choose_device(name: str) -> torch.device:
    """Return the device that a setting means.

    Parameters
    ----------
    name : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises
    ------
    SettingsError
        Where torch does not see that device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise SettingsError(
            f"Torch {torch.__version__} sees no device {name!r}.",
            "Use --device cpu, or run `napari-gmmseg doctor` to see which torch this card needs.",
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("Torch sees no Apple graphics (mps) here.", "Use --device cpu.")
    return device


def choose_threads(threads: int | None) -> int:
    """Return how many processor threads to use: what was asked for, else all cores but one.

    Parameters
    ----------
    threads : int or None
        Setting.
    """
    return threads or max(1, (os.cpu_count() or 2) - 1)


def multiplies_bfloat16_fast(device: torch.device) -> bool:
    """Tell whether a device has units for bfloat16; without them it is slower than float32.

    Parameters
    ----------
    device : torch.device
        The device.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        supported = getattr(torch.cpu, name, None)
        if supported is not None and supported():
            return True
    return False


def ran_out(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out.

    Parameters
    ----------
    error : BaseException
        What was raised.
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Run a step with a number of torch threads, and put the number back after it.

    Parameters
    ----------
    threads : int
        At least 1.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
