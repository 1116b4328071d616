"""`napari-gmmseg replay`: do a session again, and compare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.tables import segmentation_data, show_segmentation
from napari_gmmseg.session.journal import Replayer, read_history, result_hash

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Replay:
    """Do a finished session again from its inputs and its journal, and tell whether the result is the same."""

    folder: Annotated[
        Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER", help="A session that `segment` recorded.")
    ]
    verify: Annotated[
        bool, tyro.conf.arg(help="End with exit code 1 unless the result has the same SHA-256 as the recorded one.")
    ] = False
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )

    def run(self, _errand: Errand, /) -> Answer:
        """Read the inputs again, fit again, compare.

        Parameters
        ----------
        _errand : Errand
            Unused: nothing is written.
        """
        history = read_history(self.folder)
        replayer = Replayer(history, strict=self.verify)
        with FitProgress() as replayer.watch:
            made = replayer.result()
        case, wanted = replayer.opened, replayer.wanted
        names = tuple(name or f"channel {c + 1}" for c, name in enumerate(case.request.volume.channels))
        data = segmentation_data(api.finished(case, made), names) | {
            "session": self.folder,
            "inputs": case.files(),
            "equal": replayer.equal,
            "hash": result_hash(made),
            "recorded_hash": None if wanted is None else wanted["hash"],
        }
        return Answer(data, lambda console: _show(console, data))


def _show(console: Console, data: dict[str, Any]) -> None:
    show_segmentation(console, data)
    if data["equal"]:
        console.print(f"The same result: SHA-256 {data['hash']}", soft_wrap=True)
    else:
        console.print(
            f"Another result: SHA-256 {data['hash']}, recorded was {data['recorded_hash']}. --verify tells more.",
            soft_wrap=True,
        )
