"""Small noisy cases, and runs of a fit with commands at given reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from napari_gmmseg.config import FitConfig, PreparationConfig, Preset, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.fitting.segmenting import Fit
from napari_gmmseg.io.sample import load_sample, load_sample_labels
from napari_gmmseg.preparation import prepare
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import Command, Finding, FitReport, FitState, Segmentation, Volume

#: Settings with which a network takes few, small steps.
FAST: Mapping[str, Any] = {"warm_steps": 4, "max_steps": 12, "width": 4}


@dataclass(frozen=True)
class LiveCase:
    """A case to be fitted.

    Parameters
    ----------
    volume : Volume
        The image.
    truth : ndarray (Z, Y, X)
        1 CSF, 2 GM, 3 WM, 0 outside.
    prepared : Prepared
        The brain as mask.
    preset : Preset
        What the classes mean.
    bias_field : str
        Where settings do not say: without a search, reports are counted from the first of the method.
    """

    volume: Volume
    truth: np.ndarray
    prepared: Prepared
    preset: Preset
    bias_field: str = "off"

    def begin(self, *, look: int | None = None, **settings: Any) -> Fit:
        """Return a fit; settings of `FitConfig`, and start, state, fixed_labels of `fit`."""
        given = {name: settings.pop(name) for name in ("start", "state", "fixed_labels") if name in settings}
        config = FitConfig(threads=1, device="cpu", **{"bias_field": self.bias_field, **settings})
        return fit(self.volume, self.prepared, config, self.preset, look=look, **given)

    def run(self, script: Mapping[int, Command] | None = None, **settings: Any) -> Run:
        """Fit to the end; a script tells which command is sent after which report, counted from 1."""
        return play(self.begin(**settings), script)


@dataclass(frozen=True)
class Run:
    """A fit that has ended.

    Parameters
    ----------
    result : Segmentation
        What it returned.
    reports : tuple of FitReport
        All that it told.
    """

    result: Segmentation
    reports: tuple[FitReport, ...]

    @property
    def states(self) -> list[FitState]:
        """What was put away."""
        return [report.state for report in self.reports if report.state is not None]

    @property
    def refusals(self) -> list[Finding]:
        """What was not taken up."""
        return [report.refused for report in self.reports if report.refused is not None]


def play(steps: Fit, script: Mapping[int, Command] | None = None) -> Run:
    """Run a fit to its end, with commands after the reports that a script names."""
    reports: list[FitReport] = []
    command: Command | None = None
    while True:
        try:
            reports.append(steps.send(command))
        except StopIteration as end:
            return Run(end.value, tuple(reports))
        command = (script or {}).get(len(reports))


def first_of(reports: tuple[FitReport, ...], phase: str, step: int = 0) -> int:
    """Return the number, from 1, of the first report of a phase at a step or later."""
    return next(n for n, r in enumerate(reports, 1) if r.phase == phase and r.step >= step)


@lru_cache(maxsize=8)
def slice_case(n_channels: int = 1, noise: float = 0.09, z: int = 37) -> LiveCase:
    """A noisy slice of the sample brain, in one or more channels."""
    return _case(slice(z, z + 1), n_channels, noise)


@lru_cache(maxsize=2)
def slab_case(noise: float = 0.09) -> LiveCase:
    """Six noisy slices of the middle of the sample brain."""
    return _case(slice(34, 40), 1, noise)


def _case(slices: slice, n_channels: int, noise: float) -> LiveCase:
    image, truth = np.array(load_sample("brain").data[0]), np.array(load_sample_labels("brain").labels)
    image, truth = (image / image[truth == 3].mean())[slices], truth[slices]
    rng = np.random.default_rng(0)
    other = np.array([0, 1.0, 0.7, 0.5], dtype=np.float32)[truth]
    clean = [image, other][:n_channels]
    data = np.stack([channel + rng.normal(0, noise, image.shape).astype(np.float32) for channel in clean])
    preset = find_preset("brain-t1" if n_channels == 1 else "brain-multi")
    volume = Volume.from_array(data, (2.0, 2.0, 2.0), ("t1", "t2")[:n_channels])
    prepared = prepare(volume, PreparationConfig(mask="given"), mask=truth > 0, preset=preset)
    return LiveCase(volume, truth, prepared, preset)


def same_bits(one: Segmentation, other: Segmentation) -> bool:
    """Tell whether two results are equal to the last bit: labels, probabilities, Gaussians and names."""
    return (
        np.array_equal(one.label_map.labels, other.label_map.labels)
        and np.array_equal(one.probabilities, other.probabilities)
        and np.array_equal(one.mixture.means, other.mixture.means)
        and np.array_equal(one.mixture.covariances, other.mixture.covariances)
        and one.label_map.classes == other.label_map.classes
        and one.log_likelihood == other.log_likelihood
    )
