"""Tell where a fit computes, and how fast."""

from __future__ import annotations

import sys


def device_in_words(wanted: str) -> str:
    """Return the device as words for a person; "" for "auto" as long as torch is not loaded.

    Parameters
    ----------
    wanted : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    """
    device = wanted
    if wanted == "auto":
        torch = sys.modules.get("torch")
        if torch is None or not hasattr(torch, "cuda"):
            return ""
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return "processor"
    return "Apple GPU" if device == "mps" else f"graphics card ({device})"


def multiplies_bfloat16_fast(device: str) -> bool:
    """Tell whether a network trains in bfloat16 on a device where the precision is "auto"; loads torch.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:1", "mps".
    """
    import torch

    from napari_gmmseg.fitting import runtime

    return runtime.multiplies_bfloat16_fast(torch.device(device))
