"""`napari-gmmseg evaluate`: a mask against a reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.tables import show_evaluation


@dataclass(frozen=True)
class Evaluate:
    """Compare a mask with a reference: Dice, HD95 [mm] and volumes [ml] of each class."""

    prediction: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PREDICTION", help="The mask to judge.")]
    truth: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TRUTH", help="The reference.")]
    match_labels: Annotated[
        bool,
        tyro.conf.arg(help="Rename the predicted labels so that they agree best. This looks at the reference."),
    ] = False
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )

    def run(self, _errand: Errand, /) -> Answer:
        """Read both and compare.

        Parameters
        ----------
        _errand : Errand
            Unused: nothing is written.
        """
        evaluation = api.evaluate(self.prediction, self.truth, match_labels=self.match_labels)
        data = evaluation.as_dict() | {"prediction": self.prediction, "truth": self.truth}
        return Answer(data, lambda console: show_evaluation(console, data))
