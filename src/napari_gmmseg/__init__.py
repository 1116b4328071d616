"""Segment MRI without labels and perfect the result: Gaussian mixture models, spatial and deep."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gmmseg.api import evaluate, finetune, predict, predict_cases, read, segment, train, write

__all__ = ["__version__", "evaluate", "finetune", "predict", "predict_cases", "read", "segment", "train", "write"]

__version__ = "0.1.0.dev0"

_VERBS = frozenset({"evaluate", "finetune", "predict", "predict_cases", "read", "segment", "train", "write"})


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(import_module("napari_gmmseg.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
