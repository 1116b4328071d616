"""The card of a trained network: what it is, what it learnt from, how well it does, and what it is not for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_gmmseg.errors import NO_SPACE, OutputError, ResourceError
from napari_gmmseg.volumes import TrainedModel

#: Figures of a part, as a person reads them.
_FIGURES = {
    "dice": "Dice of volumes",
    "iou": "IoU of volumes",
    "slice_dice": "Dice of slices, empty ones that stay empty counted as 1",
    "slice_iou": "IoU of slices, likewise",
    "islands": "Spurious islands in a hundred slices",
    "island_voxels": "Voxels in these, in a hundred slices",
    "slices": "Slices",
}
_MOST_NAMES = 40
#: What tells a card from other pages: the next training for the same output writes the card anew.
MARK = "<!-- This card was written by napari-gmmseg train. The next training keeps the section on licences alone. -->"
_LICENCE = "## Licence and consent"
_NOT_TOLD = "Those of the data hold for this network, too: write them here before you hand it on."


def card_path(model: str | Path) -> Path:
    """Return where a model's card lies: beside it.

    Parameters
    ----------
    model : path
        The model's file.
    """
    return Path(model).with_suffix(".md")


def check_card(path: str | Path) -> None:
    """Refuse to write a card in place of a file that is none.

    Parameters
    ----------
    path : path
        Target.

    Raises
    ------
    OutputError
        Where there is such a file.
    """
    path = Path(path)
    if path.exists() and MARK not in _text(path):
        raise OutputError(
            f"{path} is there, and is no card of a model: it would be written over.",
            "Name another output, or move that file.",
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def licence_of(path: str | Path) -> str:
    """Return what a person wrote of licence and consent in a card; "" where there is no card, or nothing was written.

    Parameters
    ----------
    path : path
        The card.
    """
    _, found, after = _text(Path(path)).partition(f"\n{_LICENCE}\n")
    words = after.partition("\n## ")[0].strip() if found else ""
    return "" if words == _NOT_TOLD else words


def write_card(path: str | Path, model: TrainedModel) -> Path:
    """Write the card of a model, whole or not at all; what a person wrote of licence and consent stays.

    Parameters
    ----------
    path : path
        Target.
    model : TrainedModel
        With its scores.

    Raises
    ------
    OutputError
        Where it cannot be written there, or a file is there that is no card.
    ResourceError
        Where the disk is full.
    """
    path = Path(path)
    check_card(path)
    text = card(path.stem, model, licence_of(path))
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if error.errno in NO_SPACE:
            raise ResourceError(f"The disk is full: {path} was not written.", "Make room, or name another.") from error
        raise OutputError(
            f"{path} cannot be written: {error.strerror}.", "Name a folder that you may write to."
        ) from error
    return path


def card(name: str, model: TrainedModel, licence: str = "") -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    name : str
        Of the model.
    model : TrainedModel
        With its scores.
    licence : str
        Of the data, and who agreed to their use; "" where nobody told.
    """
    told, settings = model.provenance, model.settings
    channels = ", ".join(channel or "?" for channel in model.channels)
    parts = [
        f"# {name}\n",
        f"{MARK}\n",
        f"DeepLabv3+ with the encoder {settings['encoder']}, {told.get('parameters', 0):,} parameters. It takes slices "
        f"with the channels {channels}, in that order, and tells "
        f"{', '.join(f'{c.value} {c.name}' for c in model.classes)} from background (0).\n",
        "It is research software and no medical device: nobody has looked at what it does beyond the figures below.\n",
        "## Figures\n",
        _scores(model),
        "## What it learnt from\n",
        *(f"- {part}: {_listed(names)}" for part, names in model.parts.items()),
        "",
        f"{_LICENCE}\n",
        f"{licence or _NOT_TOLD}\n",
        "## What it is told beside the image\n",
        _attributes(model.attributes),
        "## How it was trained\n",
        f"{told.get('epochs')} epochs in {told.get('seconds', 0):.0f} s on {told.get('device')}; the weights are those "
        f"of epoch {told.get('best_epoch')}. napari-gmmseg {told.get('napari_gmmseg')}, torch {told.get('torch')}.\n",
        _table(("setting", "value"), [(key, _value(value)) for key, value in settings.items()]),
        "## Doubts\n",
        *(f"- {finding.message} {finding.hint}".rstrip() for finding in model.findings),
        *(["None."] if not model.findings else []),
        "",
        "## Epochs\n",
        _history(model),
    ]
    return "\n".join(parts)


def _scores(model: TrainedModel) -> str:
    if not model.scores:
        return "None: nobody was put aside to measure on.\n"
    names = list(model.scores)
    rows = [
        (words, *(_value(round(model.scores[part][figure], 4)) for part in names)) for figure, words in _FIGURES.items()
    ]
    chosen = "\nThe validation part has chosen the epoch, so its figures flatter.\n" if "validation" in names else ""
    return _table(("", *names), rows) + chosen


def _attributes(table: Mapping[str, Any]) -> str:
    rows = [(name, f"one of {', '.join(kinds)}") for name, kinds in table["kinds"]]
    rows += [(name, f"amount, mean {mean:.4g}, deviation {std:.4g}") for name, mean, std in table["amounts"]]
    rows += [("position of the slice", "0 ... 1")] if table["position"] else []
    return _table(("attribute", "as"), rows) if rows else "Nothing.\n"


def _history(model: TrainedModel) -> str:
    names = list(dict.fromkeys(name for told in model.history for name in told))
    rows = [
        (str(epoch), *(f"{told[name]:.4g}" if name in told else "" for name in names))
        for epoch, told in enumerate(model.history, start=1)
    ]
    return _table(("epoch", *names), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(entry) for entry in value) or "none"
    return "as told in the docs" if value is None else str(value)


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{len(names)} cases: {', '.join(names[:_MOST_NAMES])}{more}" if names else "nobody"
