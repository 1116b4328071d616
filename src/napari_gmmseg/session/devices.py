"""Tell where a fit computes, without waiting for torch."""

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
