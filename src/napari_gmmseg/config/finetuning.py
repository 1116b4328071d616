"""Settings of a network that is fine-tuned on strokes: bounds, title and tip of each stand here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from napari_gmmseg.config.deep import View
from napari_gmmseg.config.outlier import OutlierSettings
from napari_gmmseg.config.strict import STRICT

Encoder = Literal["trained", "slow", "frozen"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FinetuneConfig(OutlierSettings):
    """How a network learns from strokes, and for how long."""

    seconds: Annotated[
        float | None,
        Field(
            gt=0,
            le=86400,
            title="Seconds",
            description="Time budget at most, the first answer included: it ends sooner once more steps bring nothing. "
            "Other machines take other steps in it. Empty: until stopped, or as many steps as are given.",
        ),
    ] = 5.0
    steps: Annotated[
        int | None,
        Field(ge=1, le=100000, title="Steps", description="Steps at most, and no time budget: same seed, same mask."),
    ] = None
    imitation_weight: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            title="Weight of the first answer",
            description="Cross-entropy to the answer at once, where that is sure.",
        ),
    ] = 1.0
    stroke_weight: Annotated[
        float, Field(ge=0, le=100, title="Weight of strokes", description="Cross-entropy on what was painted.")
    ] = 0.5
    mixture_weight: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            title="Weight of the mixture",
            description="Negative log-likelihood of the intensities under the strokes' mixture.",
        ),
    ] = 1.0
    smoothness: Annotated[
        float,
        Field(ge=0, le=100, title="Smoothness", description="Weight of the total variation of the class maps."),
    ] = 0.2
    network_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            title="Share of the network",
            description="In the answer: 0 = the answer at once alone, 1 = the network's probabilities count as much as "
            "place and intensities do.",
        ),
    ] = 1.0
    carried_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            title="Share of the carried model",
            description="Far from strokes, in what the network learns, where it starts from a model of earlier cases; "
            "near strokes, these count.",
        ),
    ] = 1.0
    hidden_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            title="Steps without strokes",
            description="Share of the steps in which the network does not see where strokes lie, so that it also "
            "serves a case without any.",
        ),
    ] = 0.5
    replay_share: Annotated[
        float,
        Field(ge=0, lt=1, title="Replay", description="Share of the steps that go to earlier cases, where there are."),
    ] = 0.5
    learning_rate: Annotated[float, Field(gt=0, le=1, title="Learning rate", description="Of AdamW, at the start.")] = (
        5e-3
    )
    encoder: Annotated[
        Encoder,
        Field(
            title="Encoder",
            description="What a carried model's way down may do: trained: learn as the rest does; slow: at a tenth of "
            "the rate; frozen: stay as it is. A new network is trained.",
        ),
    ] = "slow"
    trust: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            title="Trust near strokes",
            description="How much less of the first answer is learnt far from strokes: its confidence falls with the "
            "geodesic distance, to this power; 0: nowhere.",
        ),
    ] = 1.0
    geodesic_range: Annotated[
        float,
        Field(
            gt=0,
            le=1000,
            title="Range of strokes [mm]",
            description="Geodesic distance over which what the network sees of a stroke falls to 1/e.",
        ),
    ] = 10.0
    view: Annotated[
        View,
        Field(
            title="View",
            description="What the network sees: 2d: one slice; 2.5d: a slice with its neighbours. auto: 2.5d for "
            "volumes with slices near enough to each other, else 2d.",
        ),
    ] = "auto"
    width: Annotated[
        int, Field(ge=1, le=128, title="Network width", description="Channels of the U-Net's first level.")
    ] = 8
    depth: Annotated[int, Field(ge=1, le=6, title="Network depth", description="How often it halves the image.")] = 3
    batch_slices: Annotated[int, Field(ge=1, le=64, title="Slices a step", description="In volumes.")] = 4
    seed: Annotated[int, Field(ge=0, lt=2**63, title="Seed", description="Same seed and steps, same mask.")] = 0
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
