"""`napari-gmmseg predict`: files and a trained network in, a mask out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.channels import channels_of_one_case
from napari_gmmseg.cli.delivering import deliver
from napari_gmmseg.cli.flags import ChannelFlags
from napari_gmmseg.cli.settings import about, otherwise
from napari_gmmseg.cli.targets import check_images, check_targets
from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.errors import SettingsError


@dataclass(frozen=True)
class Predict:
    """Predict one case with a network that `train` wrote: the files are its channels, in the model's order."""

    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        otherwise(
            "at least one, here or after --t1 and so on", "Channels of one case: images or DICOM folders.", "FILE"
        ),
    ] = ()
    model: Annotated[Path | None, otherwise("needed", "The network, written by train.", "FILE")] = None
    output: Annotated[
        Path | None,
        tyro.conf.arg(
            aliases=["-o"],
            metavar="FILE",
            help="The mask to write, on the grid of the first file.",
            help_behavior_hint="(needed)",
        ),
    ] = None
    attribute: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        otherwise("repeatable; default: nothing is known", "What is known of the patient.", "NAME=VALUE"),
    ] = ()
    probabilities: Annotated[
        Path | None,
        otherwise("default: not written", "Write the probabilities here, one volume a class, background last.", "FILE"),
    ] = None
    uncertainty: Annotated[
        Path | None, otherwise("default: not written", "Write 1 - the largest probability here.", "FILE")
    ] = None
    device: Annotated[str, about(TrainingConfig, "device", metavar="auto|cpu|cuda:0|mps")] = TrainingConfig.device
    threads: Annotated[int | None, about(TrainingConfig, "threads", "default: all cores but one")] = None
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )
    channels: Annotated[ChannelFlags, tyro.conf.arg(name="channel")] = field(default_factory=ChannelFlags)

    def run(self, errand: Errand, /) -> Answer:
        """Read, predict, write.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        paths, contrasts = channels_of_one_case(self.files, self.channels.named(), self.channels.contrast)
        if self.model is None or self.output is None:
            what = "which network to use" if self.model is None else "where to write"
            flag = "--model M.safetensors" if self.model is None else "-o M.nii.gz"
            raise SettingsError(f"It was not told {what}.", f"Add {flag}")
        maps = {"probabilities": self.probabilities, "uncertainty": self.uncertainty, "prior": None}
        check_images((self.output, *maps.values()))
        check_targets((self.output, *maps.values()), (*paths, self.model))
        attributes = dict(_pair(words) for words in self.attribute)
        volume = api.read(paths, contrasts=contrasts, **self.channels.reading())
        api.check_writable(self.output, volume, **maps)
        result = api.predict(self.model, volume, attributes=attributes, device=self.device, threads=self.threads)
        told = {"inputs": paths, "model": self.model}
        return deliver(errand, result, volume.channels, self.output, maps, told)


def _pair(words: str) -> tuple[str, str]:
    name, sign, value = words.partition("=")
    if not sign or not name.strip():
        raise SettingsError(f"{words!r} does not tell an attribute and its value.", "Write --attribute age=45.")
    return name.strip(), value.strip()
