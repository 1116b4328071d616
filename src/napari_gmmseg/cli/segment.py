"""`napari-gmmseg segment`: files in, a mask on the same grid out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.channels import channels_of_one_case
from napari_gmmseg.cli.delivering import deliver
from napari_gmmseg.cli.flags import (
    ChannelFlags,
    DeepFlags,
    FitMapFlags,
    IslandFlags,
    MixtureFlags,
    PlaceFlags,
    ScribbleFlags,
    fit_settings,
)
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.recording import Recording, warn
from napari_gmmseg.cli.settings import about, otherwise
from napari_gmmseg.cli.streaming import segment_slab_by_slab
from napari_gmmseg.cli.targets import check_images, check_targets
from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.fit import Method
from napari_gmmseg.config.preparation import MASK_WORDS
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.session.journal import Journal, Origin


@dataclass(frozen=True)
class Segment:
    """Segment one case: the files are its channels, one file each."""

    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        otherwise(
            "at least one, here or after --t1 and so on", "Channels of one case: images or DICOM folders.", "FILE"
        ),
    ] = ()
    output: Annotated[
        Path | None,
        tyro.conf.arg(
            aliases=["-o"],
            metavar="FILE",
            help="The mask to write, on the grid of the first file.",
            help_behavior_hint="(needed)",
        ),
    ] = None
    preset: Annotated[
        Literal["brain-t1", "brain-multi", "cardiac", "glioma", "custom"] | None,
        otherwise("default: brain-t1 for one channel, brain-multi for several", "Kind of image."),
    ] = None
    method: Annotated[Method, about(FitConfig, "method")] = FitConfig.method
    classes: Annotated[
        int | None, about(FitConfig, "n_classes", "default: as many as the preset names, else 3", metavar="K")
    ] = None
    steps: Annotated[int | None, about(FitConfig, "max_steps", "default: as the method needs", metavar="N")] = (
        FitConfig.max_steps
    )
    seed: Annotated[int, about(FitConfig, "seed")] = FitConfig.seed
    device: Annotated[str, about(FitConfig, "device", metavar="auto|cpu|cuda:0|mps")] = FitConfig.device
    threads: Annotated[int | None, about(FitConfig, "threads", "default: all cores but one")] = None
    memory_limit: Annotated[
        float | None,
        otherwise(
            "default: what is free",
            "Memory that the image and its fit may take; --method gmm reads a larger image slab by slab, others "
            "refuse it.",
            "GB",
        ),
    ] = None
    session: Annotated[
        Path | None,
        otherwise(
            "default: not recorded",
            "Record the run in this new folder: `resume` goes on from there after a crash, `replay` does it again.",
            "FOLDER",
        ),
    ] = None
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )
    channels: Annotated[ChannelFlags, tyro.conf.arg(name="channel")] = field(default_factory=ChannelFlags)
    place: Annotated[PlaceFlags, tyro.conf.arg(name="place")] = field(default_factory=PlaceFlags)
    strokes: Annotated[ScribbleFlags, tyro.conf.arg(name="scribble")] = field(default_factory=ScribbleFlags)
    maps: Annotated[FitMapFlags, tyro.conf.arg(name="map")] = field(default_factory=FitMapFlags)
    mixture: Annotated[MixtureFlags, tyro.conf.arg(name="mixture")] = field(default_factory=MixtureFlags)
    deep: Annotated[DeepFlags, tyro.conf.arg(name="deep-mixture")] = field(default_factory=DeepFlags)
    islands: Annotated[IslandFlags, tyro.conf.arg(name="islands")] = field(default_factory=IslandFlags)

    def run(self, errand: Errand, /) -> Answer:
        """Read, fit, write.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        paths, contrasts = channels_of_one_case(self.files, self.channels.named(), self.channels.contrast)
        if self.output is None:
            raise SettingsError("It was not told where to write the mask.", "Add -o mask.nii.gz")
        maps, settings = self.maps.targets(), self.settings()
        self._check_maps()
        self._check_strokes()
        check_images((self.output, *maps.values()))
        check_targets((self.output, *maps.values()), (*paths, *self.place.files(), *self.strokes.files()))
        if self.session is not None:
            Journal.check_folder(self.session)
        if self._must_stream(paths):
            return self._streamed(errand, paths[0], self.output, contrasts)
        volume = api.read(paths, contrasts=contrasts, **self.channels.reading())
        self._check_islands(volume.geometry.unit)
        api.check_writable(self.output, volume, **maps)
        if self.session is None:
            with FitProgress() as progress:
                result = api.segment(volume, progress=progress, **vars(self.strokes), **settings)
            if self.islands.remove_islands is not None:
                result = api.remove_islands(result, self.islands.remove_islands)
            return deliver(errand, result, volume.channels, self.output, maps, {"inputs": paths})
        case = replace(api.open_case(volume, **settings), origin=self._origin(paths, contrasts))
        with Recording(Journal.create(self.session, warn), errand) as recording:
            result = recording.begin(case)
            told = {"inputs": paths, **recording.told()}
            return deliver(errand, result, volume.channels, self.output, maps, told)

    def _must_stream(self, paths: tuple[Path, ...]) -> bool:
        limit = self.memory_limit
        if limit is not None and not 0 < limit < float("inf"):
            raise SettingsError(f"--memory-limit is above 0 GB; seen: {limit:g}.", "Give an amount in GB.")
        if self.strokes.files():
            if limit is not None:
                raise SettingsError(
                    "--memory-limit was given, and an answer from scribbles needs the whole image in memory.",
                    "Leave --memory-limit out: it works for one NIfTI file of three axes a channel, without strokes.",
                )
            return False
        return api.must_stream(paths, method=self.method, n_classes=self.classes, memory_limit=limit)

    def _streamed(self, errand: Errand, image: Path, output: Path, contrasts: tuple[str, ...]) -> Answer:
        settings = self.settings()
        del settings["resample"]
        refused = {
            **{f"--{name.replace('_', '-')}": path for name, path in vars(self.maps).items()},
            "--session": self.session,
            "--remove-islands": self.islands.remove_islands,
            "--region": settings.pop("region"),
            "--frame": self.channels.frame,
            "--series": self.channels.series,
            # Slab by slab the processor fits.
            "--device": None if self.device in ("auto", "cpu") else self.device,
        }
        settings |= {"contrast": contrasts[0] if contrasts else "", "spacing": self.channels.spacing}
        return segment_slab_by_slab(errand, image, output, settings, refused)

    def _origin(self, paths: tuple[Path, ...], contrasts: tuple[str, ...]) -> Origin:
        mask = None if self.place.mask in MASK_WORDS else Path(self.place.mask)
        return Origin(paths, contrasts, self.channels.reading(), mask, self.place.region)

    def _check_maps(self) -> None:
        """Refuse to write a prior or a bias field where it is plain that there will be none."""
        if self.maps.bias_field_out is not None and self.mixture.bias_field == "off":
            raise SettingsError(
                "--bias-field-out was given, and with --bias-field off there is none.", "Leave one of the two out."
            )
        may_refine = self.method == "auto" and self.deep.refine
        if self.maps.prior is not None and self.method not in ("deepsvg", "blindspot") and not may_refine:
            kept = self.method == "auto"
            raise SettingsError(
                f"--prior was given, and the method {'auto with --no-refine' if kept else self.method} gives none.",
                f"Choose --method deepsvg or blindspot, or leave {'--no-refine' if kept else '--prior'} out.",
            )

    def _check_islands(self, unit: str) -> None:
        """Refuse before the fit what cannot be done after it."""
        smallest = self.islands.remove_islands
        if smallest is not None and not 0 < smallest < float("inf"):
            raise SettingsError(f"Islands have a size above 0 mm; seen: {smallest:g}.", "Give a length in mm.")
        if smallest is not None and unit != "mm":
            raise SettingsError(
                "--remove-islands is in mm, and the image tells no voxel size.", "Tell it by --spacing."
            )
        if smallest is not None and self.session is not None:
            raise SettingsError(
                "--remove-islands was given, and what is done after the fit is not recorded in --session.",
                "Leave one of the two out.",
            )

    def _check_strokes(self) -> None:
        """Refuse what strokes do not go with."""
        if not self.strokes.files():
            if self.strokes.background is not None:
                raise SettingsError(
                    f"--background {self.strokes.background} was given without --scribbles.", "Add --scribbles FILE."
                )
            return
        if self.session is not None:
            raise SettingsError(
                "--session was given, and answers from scribbles are not recorded.",
                "Leave --session out: the files of scribbles and mask give the same answer again.",
            )
        if self.maps.prior is not None:
            raise SettingsError(
                "--prior was given, and an answer from scribbles has no network that gives one.", "Leave --prior out."
            )
        if self.maps.bias_field_out is not None:
            raise SettingsError(
                "--bias-field-out was given, and an answer from scribbles corrects none.", "Leave --bias-field-out out."
            )

    def settings(self) -> dict[str, Any]:
        """Return the settings of the fit, as `api.segment` names them."""
        return {
            "preset": self.preset,
            **vars(self.place),
            "resample": self.channels.resample,
            **fit_settings(self),
        }
