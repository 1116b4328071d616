"""`napari-gmmseg segment`: files in, a mask on the same grid out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.channels import channels_of_one_case
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.settings import about, otherwise
from napari_gmmseg.cli.tables import segmentation_data, show_segmentation
from napari_gmmseg.cli.targets import check_images, check_targets, side_files
from napari_gmmseg.config import FitConfig, PreparationConfig
from napari_gmmseg.config.fit import Covariance, Means, Method
from napari_gmmseg.errors import SettingsError

_Files = tyro.conf.UseAppendAction[tuple[Path, ...]]


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
    t1: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A T1-weighted channel.")] = ()
    t2: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A T2-weighted channel.")] = ()
    flair: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A FLAIR channel.")] = ()
    pd: Annotated[_Files, tyro.conf.arg(metavar="FILE", help="A proton-density channel.")] = ()
    contrast: Annotated[
        str | None,
        otherwise("default: from headers, names and preset", "Contrast of each positional file.", "T1,FLAIR,..."),
    ] = None
    preset: Annotated[
        Literal["brain-t1", "brain-multi", "cardiac", "glioma", "custom"] | None,
        otherwise("default: brain-t1 for one channel, brain-multi for several", "Kind of image."),
    ] = None
    mask: Annotated[str, about(PreparationConfig, "mask", metavar="auto|none|FILE")] = PreparationConfig.mask
    region: Annotated[
        Path | None, otherwise("default: everywhere", "Mask of where to look, e.g. the left ventricle.", "FILE")
    ] = None
    box: Annotated[
        tuple[int, int, int, int, int, int] | None,
        about(PreparationConfig, "box", "default: everywhere", metavar="Z0 Y0 X0 Z1 Y1 X1"),
    ] = None
    disc: Annotated[
        tuple[float, float, float] | None,
        about(PreparationConfig, "disc", "default: everywhere", metavar="Y X RADIUS"),
    ] = None
    method: Annotated[Method, about(FitConfig, "method")] = FitConfig.method
    classes: Annotated[
        int | None, about(FitConfig, "n_classes", "default: as many as the preset names, else 3", metavar="K")
    ] = None
    covariance: Annotated[Covariance, about(FitConfig, "covariance")] = FitConfig.covariance
    means: Annotated[Means, about(FitConfig, "means")] = FitConfig.means
    beta: Annotated[float | None, about(FitConfig, "neighbour_weight", "default: from the noise in the image")] = None
    tolerance: Annotated[float, about(FitConfig, "tolerance")] = FitConfig.tolerance
    steps: Annotated[int, about(FitConfig, "max_steps")] = FitConfig.max_steps
    seed: Annotated[int, about(FitConfig, "seed")] = FitConfig.seed
    device: Annotated[str, about(FitConfig, "device", metavar="auto|cpu|cuda:0|mps")] = FitConfig.device
    threads: Annotated[int | None, about(FitConfig, "threads", "default: all cores but one")] = None
    probabilities: Annotated[
        Path | None, otherwise("default: not written", "Write the probabilities here, one volume a class.", "FILE")
    ] = None
    uncertainty: Annotated[
        Path | None, otherwise("default: not written", "Write 1 - the largest probability here.", "FILE")
    ] = None
    axis4: Annotated[
        Literal["time", "channel"] | None,
        otherwise("default: refuse a fourth axis", "What a fourth axis is; never guessed."),
    ] = None
    frame: Annotated[
        int | None, otherwise("default: all", "The one position on the fourth axis to use, from 0.", "N")
    ] = None
    series: Annotated[
        str | None,
        otherwise("default: the largest original one", "DICOM series to use, where a folder holds several.", "SERIES"),
    ] = None
    resample: Annotated[bool, tyro.conf.arg(help="Resample channels and masks on other grids to the first one's.")] = (
        False
    )
    spacing: Annotated[
        tuple[float, ...] | None,
        otherwise("default: as the file tells", "Voxel size in mm, for images that tell none.", "[DZ] DY DX"),
    ] = None
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )

    def run(self, errand: Errand, /) -> Answer:
        """Read, fit, write.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        paths, contrasts = channels_of_one_case(
            self.files, {"t1": self.t1, "t2": self.t2, "flair": self.flair, "pd": self.pd}, self.contrast
        )
        if self.output is None:
            raise SettingsError("It was not told where to write the mask.", "Add -o mask.nii.gz")
        targets = (self.output, self.probabilities, self.uncertainty)
        check_images(targets)
        check_targets(targets, (*paths, *self._masks()))
        volume = api.read(
            paths,
            contrasts=contrasts,
            axis4=self.axis4,
            frame=self.frame,
            series=self.series,
            resample=self.resample,
            spacing=self.spacing,
        )
        api.check_writable(self.output, volume, probabilities=self.probabilities, uncertainty=self.uncertainty)
        with FitProgress() as progress:
            result = api.segment(volume, progress=progress, **self._options())
        channels = tuple(name or f"channel {c + 1}" for c, name in enumerate(volume.channels))
        wanted = {"mask": self.output, "probabilities": self.probabilities, "uncertainty": self.uncertainty}
        files = {what: path for what, path in wanted.items() if path is not None}
        beside = side_files(self.output)
        data = segmentation_data(result, channels) | {"files": files, "side_files": beside, "inputs": paths}
        errand.watch((*files.values(), *beside))
        # Last of all: a Ctrl-C that comes later has nothing to interrupt.
        api.write(self.output, result, probabilities=self.probabilities, uncertainty=self.uncertainty)
        return Answer(data, lambda console: show_segmentation(console, data))

    def _masks(self) -> tuple[Path, ...]:
        """Return the files that tell where to look."""
        mask = () if self.mask in ("auto", "none") else (Path(self.mask),)
        return mask if self.region is None else (*mask, self.region)

    def _options(self) -> dict[str, Any]:
        """Return the settings of the fit, as `api.segment` names them."""
        return {
            "preset": self.preset,
            "mask": self.mask,
            "region": self.region,
            "box": self.box,
            "disc": self.disc,
            "resample": self.resample,
            "method": self.method,
            "n_classes": self.classes,
            "covariance": self.covariance,
            "means": self.means,
            "neighbour_weight": self.beta,
            "tolerance": self.tolerance,
            "max_steps": self.steps,
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
        }
