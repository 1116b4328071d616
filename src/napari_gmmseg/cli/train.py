"""`napari-gmmseg train`: labelled cases in, a network and its card out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.cli.settings import about, otherwise
from napari_gmmseg.cli.targets import check_targets
from napari_gmmseg.config.deep import Precision
from napari_gmmseg.config.training import Balance, Schedule, TrainingConfig
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.io.array_files import check_suffix
from napari_gmmseg.io.model_cards import card_path
from napari_gmmseg.io.trained_models import state_path

if TYPE_CHECKING:
    from rich.console import Console

_C = TrainingConfig


@dataclass(frozen=True)
class NetworkFlags:
    """Which network, and what it is told."""

    encoder: Annotated[str, about(_C, "encoder", metavar="NAME")] = _C.encoder
    encoder_weights: Annotated[
        Path | None,
        otherwise("default: drawn from the seed", "Public weights of the encoder, as .safetensors.", "FILE"),
    ] = None
    decoder_width: Annotated[int | None, about(_C, "decoder_width", "default: 64 for small, else 256", metavar="N")] = (
        None
    )
    slices: Annotated[Literal[1, 3, 5], about(_C, "slices")] = _C.slices
    attributes: Annotated[
        str | None,
        about(_C, "attributes", "default: clusters, sex and age, where there are any", metavar="none|NAME,NAME,..."),
    ] = None
    position: Annotated[bool, about(_C, "position", "default: it is")] = _C.position
    attribute_grid: Annotated[int, about(_C, "attribute_grid", metavar="N")] = _C.attribute_grid

    def settings(self) -> dict[str, Any]:
        """Return the settings, as `api.train` names them."""
        named = self.attributes
        names = () if named == "none" else tuple(part.strip() for part in (named or "").split(",") if part.strip())
        return vars(self) | {"attributes": None if named is None else names}


@dataclass(frozen=True)
class LossFlags:
    """What the network is trained on."""

    cross_entropy_weight: Annotated[float, about(_C, "cross_entropy_weight")] = _C.cross_entropy_weight
    dice_weight: Annotated[float, about(_C, "dice_weight")] = _C.dice_weight
    outlier_weight: Annotated[float, about(_C, "outlier_weight")] = _C.outlier_weight
    outlier_inner: Annotated[int, about(_C, "outlier_inner", metavar="I")] = _C.outlier_inner
    outlier_outer: Annotated[int, about(_C, "outlier_outer", metavar="J")] = _C.outlier_outer
    outlier_ramp: Annotated[float, about(_C, "outlier_ramp")] = _C.outlier_ramp
    mixture_weight: Annotated[float, about(_C, "mixture_weight")] = _C.mixture_weight
    balance: Annotated[Balance, about(_C, "balance")] = _C.balance


@dataclass(frozen=True)
class AugmentationFlags:
    """What is changed at random in the images."""

    channel_drop: Annotated[float, about(_C, "channel_drop")] = _C.channel_drop
    brightness: Annotated[float, about(_C, "brightness")] = _C.brightness
    contrast_change: Annotated[float, about(_C, "contrast")] = _C.contrast
    saturation: Annotated[float, about(_C, "saturation")] = _C.saturation
    flip: Annotated[float, about(_C, "flip")] = _C.flip

    def settings(self) -> dict[str, Any]:
        """Return the settings, as `api.train` names them."""
        told = dict(vars(self))
        return told | {"contrast": told.pop("contrast_change")}


@dataclass(frozen=True)
class Train:
    """Train a network on labelled cases: a folder laid out like the LGG data, or a list of cases as CSV."""

    cases: Annotated[
        Path, tyro.conf.Positional, tyro.conf.arg(metavar="CASES", help="A folder, or a list of cases as CSV.")
    ]
    output: Annotated[
        Path | None,
        tyro.conf.arg(
            aliases=["-o"],
            metavar="FILE",
            help="The model to write, as .safetensors; its card lies beside it, as .md.",
            help_behavior_hint="(needed)",
        ),
    ] = None
    resume: Annotated[
        bool, tyro.conf.arg(help="Go on from the last epoch of a training for this output that was ended early.")
    ] = False
    epochs: Annotated[int, about(_C, "epochs", metavar="N")] = _C.epochs
    patience: Annotated[
        int | Literal["none"], about(_C, "patience", "default: 20; none: it never ends early", metavar="N|none")
    ] = 20
    batch_slices: Annotated[int, about(_C, "batch_slices", metavar="N")] = _C.batch_slices
    learning_rate: Annotated[float, about(_C, "learning_rate")] = _C.learning_rate
    schedule: Annotated[Schedule, about(_C, "schedule")] = _C.schedule
    validation_share: Annotated[float, about(_C, "validation_share")] = _C.validation_share
    test_share: Annotated[float, about(_C, "test_share")] = _C.test_share
    precision: Annotated[Precision, about(_C, "precision")] = _C.precision
    seed: Annotated[int, about(_C, "seed")] = _C.seed
    device: Annotated[str, about(_C, "device", metavar="auto|cpu|cuda:0|mps")] = _C.device
    threads: Annotated[int | None, about(_C, "threads", "default: all cores but one")] = None
    json: Annotated[bool, tyro.conf.arg(help="Print one JSON object on standard output and nothing else there.")] = (
        False
    )
    network: Annotated[NetworkFlags, tyro.conf.arg(name="network")] = field(default_factory=NetworkFlags)
    loss: Annotated[LossFlags, tyro.conf.arg(name="loss")] = field(default_factory=LossFlags)
    augmentation: Annotated[AugmentationFlags, tyro.conf.arg(name="augmentation")] = field(
        default_factory=AugmentationFlags
    )

    def run(self, errand: Errand, /) -> Answer:
        """Read, train, write.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """
        if self.output is None:
            raise SettingsError("It was not told where the model is to be written.", "Add -o MODEL.safetensors")
        check_suffix(self.output)
        files = (self.output, card_path(self.output))
        weights = self.network.encoder_weights
        check_targets(files, (self.cases, *(() if weights is None else (weights,))))
        errand.watch((*files, state_path(self.output)))
        with FitProgress() as progress:
            model = api.train(self.cases, self.output, resume=self.resume, progress=progress, **self.settings())
        data = {
            "model": files[0],
            "card": files[1],
            "scores": model.scores,
            "parts": model.parts,
            "history": list(model.history),
            "findings": [asdict(finding) for finding in model.findings],
            "provenance": dict(model.provenance),
        }
        return Answer(data, lambda console: show_model(console, data))

    def settings(self) -> dict[str, Any]:
        """Return the settings, as `api.train` names them."""
        own = {name: value for name, value in vars(self).items() if name in _C.__pydantic_fields__}  # type: ignore[attr-defined]
        own["patience"] = None if self.patience == "none" else self.patience
        return own | self.network.settings() | vars(self.loss) | self.augmentation.settings()


def show_model(console: Console, data: Mapping[str, Any]) -> None:
    """Print what a training came to.

    Parameters
    ----------
    console : Console
        Standard output.
    data : mapping
        What `--json` prints.
    """
    from rich.markup import escape
    from rich.table import Table

    for finding in data["findings"]:
        console.print(escape(f"{finding['severity'].capitalize()}: {finding['message']} {finding['hint']}".rstrip()))
    told = data["provenance"]
    console.print(f"{told['epochs']} epochs in {told['seconds']:.0f} s; epoch {told['best_epoch']} was kept.")
    if data["scores"]:
        table = Table("part", "cases", "Dice", "IoU", "slice Dice", "slice IoU", "islands / 100 slices")
        for part, s in data["scores"].items():
            figures = [f"{s[name]:.3f}" for name in ("dice", "iou", "slice_dice", "slice_iou")]
            table.add_row(part, str(len(data["parts"][part])), *figures, f"{s['islands']:.1f}")
        console.print(table)
    console.print(escape(f"Written: {data['model']}, {data['card']}"))
