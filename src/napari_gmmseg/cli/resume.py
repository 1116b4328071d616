"""`napari-gmmseg resume`: go on with a session that was ended early."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.delivering import deliver
from napari_gmmseg.cli.flags import FitMapFlags
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.recording import Recording, warn
from napari_gmmseg.cli.targets import check_images, check_targets
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.session.journal import Journal, Replayer
from napari_gmmseg.volumes import Segmentation


@dataclass(frozen=True)
class Resume:
    """Go on with a session where it was ended: the mask has the same bits as without the break."""

    folder: Annotated[
        Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER", help="A session that `segment` recorded.")
    ]
    output: Annotated[
        Path | None,
        tyro.conf.arg(
            aliases=["-o"],
            metavar="FILE",
            help="The mask to write, on the grid of the first file.",
            help_behavior_hint="(needed)",
        ),
    ] = None
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )
    maps: Annotated[FitMapFlags, tyro.conf.arg(name="map")] = field(default_factory=FitMapFlags)

    def run(self, errand: Errand, /) -> Answer:
        """Read the journal and the inputs, fit the rest, write.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        if self.output is None:
            raise SettingsError("It was not told where to write the mask.", "Add -o mask.nii.gz")
        maps = self.maps.targets()
        check_images((self.output, *maps.values()))
        journal, history = Journal.reopen(self.folder, warn)
        with Recording(journal, errand) as recording:
            replayer = Replayer(history)
            case = replayer.opened
            check_targets((self.output, *maps.values()), case.files())
            api.check_writable(self.output, case.request.volume, **maps)
            result, told = _result(recording, replayer)
            told |= {"inputs": case.files(), **recording.told()}
            return deliver(errand, result, case.request.volume.channels, self.output, maps, told)


def _result(recording: Recording, replayer: Replayer) -> tuple[Segmentation, dict[str, Any]]:
    """Return the result of the last run, and after which of its reports it went on."""
    case = replayer.opened
    going_on = replayer.continuation()
    if going_on is not None:
        saved = going_on.saved
        result = recording.go_on(case, going_on.request, going_on.orders)
        return result, {"resumed_after": 0 if saved is None else saved.report}
    if replayer.wanted is None:
        return recording.go_on(case, case.request, {}), {"resumed_after": 0}
    with FitProgress() as replayer.watch:
        result = replayer.stored(replayer.wanted)
    return recording.end(case, result), {"resumed_after": None}
