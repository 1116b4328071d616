"""`napari-gmmseg finetune`: files and strokes in, a mask and a model out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.channels import channels_of_one_case
from napari_gmmseg.cli.delivering import deliver
from napari_gmmseg.cli.flags import ChannelFlags, MapFlags, OutlierFlags, PlaceFlags
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.settings import about, otherwise
from napari_gmmseg.cli.targets import check_images, check_targets
from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.io.array_files import check_suffix


@dataclass(frozen=True)
class Finetune:
    """Fine-tune a network on strokes of one case: the files are its channels, one file each."""

    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        otherwise(
            "at least one, here or after --t1 and so on", "Channels of one case: images or DICOM folders.", "FILE"
        ),
    ] = ()
    scribbles: Annotated[
        Path | None,
        otherwise(
            "needed",
            "Strokes: a label image on the image's grid (0 unlabelled, 1 ... K, 255 left out) or JSON.",
            "FILE",
        ),
    ] = None
    output: Annotated[
        Path | None,
        tyro.conf.arg(
            aliases=["-o"],
            metavar="FILE",
            help="The mask to write, on the grid of the first file.",
            help_behavior_hint="(needed)",
        ),
    ] = None
    seconds: Annotated[float, about(FinetuneConfig, "seconds", "default: 5, or none with --steps", metavar="S")] = 5.0
    steps: Annotated[
        int | None, about(FinetuneConfig, "steps", "default: as many as the seconds allow", metavar="N")
    ] = None
    model: Annotated[
        Path | None, otherwise("default: a new network", "A model to start from, written by --save-model.", "FILE")
    ] = None
    save_model: Annotated[
        Path | None, otherwise("default: not written", "Write the trained model here, as .safetensors.", "FILE")
    ] = None
    background: Annotated[
        int | None,
        otherwise("default: as the model says, else none", "The class of the strokes that is 0 in the mask.", "VALUE"),
    ] = None
    preset: Annotated[
        Literal["brain-t1", "brain-multi", "cardiac", "glioma", "custom"] | None,
        otherwise("default: custom", "Kind of image."),
    ] = None
    seed: Annotated[int, about(FinetuneConfig, "seed")] = FinetuneConfig.seed
    device: Annotated[str, about(FinetuneConfig, "device", metavar="auto|cpu|cuda:0|mps")] = FinetuneConfig.device
    threads: Annotated[int | None, about(FinetuneConfig, "threads", "default: all cores but one")] = None
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )
    channels: Annotated[ChannelFlags, tyro.conf.arg(name="channel")] = field(default_factory=ChannelFlags)
    place: Annotated[PlaceFlags, tyro.conf.arg(name="place")] = field(default_factory=PlaceFlags)
    maps: Annotated[MapFlags, tyro.conf.arg(name="map")] = field(default_factory=MapFlags)
    islands: Annotated[OutlierFlags, tyro.conf.arg(name="islands")] = field(default_factory=OutlierFlags)

    def run(self, errand: Errand, /) -> Answer:
        """Read, fine-tune, write.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        paths, contrasts = channels_of_one_case(self.files, self.channels.named(), self.channels.contrast)
        if self.scribbles is None or self.output is None:
            what, flag = (
                ("strokes are", "--scribbles S.nii.gz") if self.scribbles is None else ("to write", "-o M.nii.gz")
            )
            raise SettingsError(f"It was not told where {what}.", f"Add {flag}")
        maps = dict(vars(self.maps))
        check_images((self.output, *maps.values()))
        read = (*paths, self.scribbles, *self.place.files(), *(() if self.model is None else (self.model,)))
        # The model that is gone on from may be replaced by what it has become.
        same = self.model is not None and self.save_model == self.model
        check_targets((self.output, *maps.values(), None if same else self.save_model), read)
        if self.save_model is not None:
            check_suffix(self.save_model)
        volume = api.read(paths, contrasts=contrasts, **self.channels.reading())
        api.check_writable(self.output, volume, **maps)
        with FitProgress() as progress:
            errand.watch(() if self.save_model is None else (self.save_model,))
            result = api.finetune(volume, self.scribbles, progress=progress, **self.settings())
        told: dict[str, Any] = {"inputs": paths, "scribbles": self.scribbles, "model": self.save_model}
        return deliver(errand, result, volume.channels, self.output, maps, told)

    def settings(self) -> dict[str, Any]:
        """Return the settings of the training, as `api.finetune` names them."""
        return {
            "seconds": self.seconds,
            "steps": self.steps,
            "model": self.model,
            "save_model": self.save_model,
            "background": self.background,
            "preset": self.preset,
            **vars(self.place),
            "resample": self.channels.resample,
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
            **self.islands.settings(),
        }
