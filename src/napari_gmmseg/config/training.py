"""Settings of a network that learns from labels: bounds, title and tip of each stand here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from napari_gmmseg.config.deep import Precision
from napari_gmmseg.config.strict import STRICT
from napari_gmmseg.errors import SettingsError

Balance = Literal["none", "weights", "slices"]
Schedule = Literal["constant", "cosine", "plateau"]
#: Width of pyramid and decoder: for the small encoder, and for all others as in Wan et al. (2023).
SMALL_WIDTH, FULL_WIDTH = 64, 256


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NetworkSettings:
    """Which network."""

    encoder: Annotated[
        str,
        Field(
            min_length=1,
            title="Encoder",
            description="small: for a processor alone; tu-regnetz_040: that of Wan et al. (2023); or any of "
            "segmentation-models-pytorch by its name. All but small need the extra [glioma].",
        ),
    ] = "small"
    decoder_width: Annotated[
        int | None,
        Field(
            ge=8,
            le=512,
            title="Decoder width",
            description="Channels of pyramid and decoder; empty: 64 for the small encoder, 256 for others.",
        ),
    ] = None
    slices: Annotated[
        Literal[1, 3, 5],
        Field(title="Slices", description="How many neighbouring slices the network sees at once; 1: 2-D, else 2.5-D."),
    ] = 1
    attributes: Annotated[
        tuple[str, ...] | None,
        Field(
            title="Attributes",
            description="Columns that tell of the patient; empty: genomic clusters, sex and age, where there are any.",
        ),
    ] = None
    position: Annotated[
        bool, Field(title="Position", description="Whether the network is told where in the volume a slice lies.")
    ] = True
    attribute_grid: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            title="Attribute grid",
            description="Places along each axis at which the attributes' maps are told: 1: the same everywhere; 16: "
            "as in Wan et al. (2023) for slices of 256 x 256.",
        ),
    ] = 1


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LossSettings:
    """What the network is trained on."""

    cross_entropy_weight: Annotated[
        float, Field(ge=0, le=100, title="Cross-entropy weight α", description="Of the cross-entropy to the label.")
    ] = 1.0
    dice_weight: Annotated[float, Field(ge=0, le=100, title="Dice weight β", description="Of the soft Dice loss.")] = (
        1.0
    )
    outlier_weight: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            title="Outlier weight γ",
            description="Of the outlier-region loss, which never pulls against the label.",
        ),
    ] = 1.0
    outlier_inner: Annotated[
        int, Field(ge=1, le=101, title="Inner window i", description="Regions up to this wide are outliers; odd.")
    ] = 7
    outlier_outer: Annotated[
        int, Field(ge=3, le=303, title="Outer window j", description="Odd, larger than the inner window.")
    ] = 21
    outlier_ramp: Annotated[
        float,
        Field(ge=0, lt=1, title="Outlier ramp", description="Share of the training before outliers count."),
    ] = 0.5
    mixture_weight: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            title="Mixture weight λ",
            description="Of the negative log-likelihood of a Gaussian mixture under the network's answer, after Ma "
            "(2022); it also lets cases without labels count.",
        ),
    ] = 0.0
    balance: Annotated[
        Balance,
        Field(
            title="Balance",
            description="Against rare classes. none; weights: they count more in the cross-entropy, by one over the "
            "root of their share; slices: half of the slices drawn show an object.",
        ),
    ] = "none"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AugmentationSettings:
    """What is changed at random in the images, as in Wan et al. (2023)."""

    channel_drop: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            title="Channel drop",
            description="Share of the slices in which one channel is blanked; never the only one.",
        ),
    ] = 0.1
    brightness: Annotated[
        float,
        Field(ge=0, le=2, title="Brightness", description="Largest shift, in standard deviations of the intensity."),
    ] = 0.2
    contrast: Annotated[
        float, Field(ge=0, lt=1, title="Contrast", description="Largest change of the spread, as a share.")
    ] = 0.2
    saturation: Annotated[
        float,
        Field(ge=0, lt=1, title="Saturation", description="Largest change of what the channels differ by, as a share."),
    ] = 0.2
    flip: Annotated[
        float, Field(ge=0, le=1, title="Flip", description="Share of the slices that are mirrored left to right.")
    ] = 0.0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingConfig(NetworkSettings, LossSettings, AugmentationSettings):
    """How a network learns from labelled cases."""

    epochs: Annotated[int, Field(ge=1, le=10000, title="Epochs", description="At most.")] = 60
    patience: Annotated[
        int | None,
        Field(
            ge=1,
            le=10000,
            title="Patience",
            description="Epochs without a better validation after which it ends; empty: never.",
        ),
    ] = 20
    batch_slices: Annotated[int, Field(ge=1, le=512, title="Slices a step", description="Of any patients.")] = 8
    learning_rate: Annotated[float, Field(gt=0, le=1, title="Learning rate", description="Of Adam, at the start.")] = (
        1e-3
    )
    schedule: Annotated[
        Schedule,
        Field(
            title="Schedule",
            description="Of the learning rate. constant; cosine: falls to a hundredth over the epochs; plateau: halved "
            "whenever a quarter of the patience has gone by without a better validation.",
        ),
    ] = "constant"
    validation_share: Annotated[
        float,
        Field(ge=0, lt=1, title="Validation share", description="Of the patients; 0: the last epoch is kept."),
    ] = 0.15
    test_share: Annotated[
        float, Field(ge=0, lt=1, title="Test share", description="Of the patients; looked at once, at the end.")
    ] = 0.15
    precision: Annotated[
        Precision,
        Field(
            title="Precision",
            description="Of the network's arithmetic; losses are always computed in float32. auto: bfloat16 where the "
            "processor or card multiplies it faster.",
        ),
    ] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**63, title="Seed", description="Same seed, same network.")] = 0
    device: Annotated[
        str,
        Field(
            pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
            title="Device",
            description="auto, cpu, cuda, cuda:N or mps; auto: the graphics card where there is one.",
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        Field(ge=1, le=256, title="Threads", description="Processor threads; empty: all cores but one."),
    ] = None

    def __post_init__(self) -> None:
        if self.outlier_inner % 2 == 0 or self.outlier_outer % 2 == 0 or self.outlier_inner >= self.outlier_outer:
            raise SettingsError(
                f"Windows of {self.outlier_inner} and {self.outlier_outer} voxels will not do.",
                "Give odd ones, the inner smaller than the outer, such as 7 and 21.",
            )
        if self.cross_entropy_weight == self.dice_weight == 0:
            raise SettingsError(
                "Neither cross-entropy nor Dice has a weight: the labels would not be learnt.",
                "Give --cross-entropy-weight or --dice-weight a weight above 0.",
            )
        if self.validation_share + self.test_share >= 1:
            raise SettingsError(
                f"Validation and test take {self.validation_share:g} and {self.test_share:g} of the patients.",
                "Leave some to train on.",
            )

    @property
    def width(self) -> int:
        """Channels of pyramid and decoder."""
        return self.decoder_width or (SMALL_WIDTH if self.encoder == "small" else FULL_WIDTH)
