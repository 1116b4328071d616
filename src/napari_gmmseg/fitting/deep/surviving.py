"""Go on from the last step where the memory ran out: with less at once, in the end on the processor."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from napari_gmmseg.errors import ResourceError
from napari_gmmseg.fitting.deep.steps import Training
from napari_gmmseg.fitting.runtime import ran_out
from napari_gmmseg.volumes import Finding

_HINT = "Close other programs, take a smaller mask or box, or a smaller network (--width, --depth)."


def survive(training: Training, act: Callable[[Training], None], *, predicting: bool = False) -> Training:
    """Do something that may run out of memory, as often as it can be done with less; return the training then.

    Parameters
    ----------
    training : Training
        Where the network stands.
    act : callable
        A step, or a prediction, that changes nothing for good where it fails.
    predicting : bool
        Which of the two.

    Raises
    ------
    ResourceError
        Where nothing can be made smaller any more.
    """
    while True:
        mark = training.mark()
        try:
            act(training)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
        else:
            return training
        # Only here, where the error no longer holds what it was raised in, can its memory be given back.
        training.go_back(mark)
        training = _lighter(training, why, predicting=predicting)
        _give_back()


def _lighter(training: Training, why: str, *, predicting: bool) -> Training:
    words = training.lighten(predicting=predicting)
    if words is None and not _on_card(training):
        raise ResourceError(
            f"The memory ran out while a network was trained, one piece at a time: {why.rstrip('.')}.", _HINT
        )
    if words is None:
        words = "on the processor"
        training = training.on_processor()
    training.findings.append(
        Finding(
            "out-of-memory",
            f"The memory ran out after step {training.steps}: it went on from there, {words}.",
            "The result is valid; another batch or precision gives slightly other numbers.",
            "note",
        )
    )
    return training


def _on_card(training: Training) -> bool:
    return training.task.image.device.type != "cpu"


def _give_back() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
