"""Plan the memory of a fit before it starts, and find a lighter way where it runs out all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.machine import available_memory
from napari_gmmseg.config.memory import Footprint, Savings, in_words
from napari_gmmseg.errors import ResourceError
from napari_gmmseg.fitting.runtime import multiplies_bfloat16_fast
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import Finding, Volume

#: A fit is refused where it would need more than this times what is there: predictions err by a quarter.
_HOPELESS = 1.25
_HINT = "Close other programs, take a smaller mask or box or fewer classes, or a machine with more memory."


@dataclass(frozen=True)
class Plan:
    """How a fit is done within the memory that there is.

    Parameters
    ----------
    device : torch.device
        Where.
    savings : Savings
        With how little.
    config : FitConfig
        Settings: as they were, or without the refinement.
    predicted : int
        Bytes at the peak, above the image.
    findings : tuple of Finding
        What was made smaller.
    """

    device: torch.device
    savings: Savings
    config: FitConfig
    predicted: int
    findings: tuple[Finding, ...] = ()

    def told(self, at: int) -> dict[str, Any]:
        """Return what another fit needs to be done in the same way, as JSON has it.

        Parameters
        ----------
        at : int
            Reports of the fit when it was planned.
        """
        return {"at": at, "device": self.device.type, "refine": self.config.refine, **asdict(self.savings)}


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that a device has left; None where that cannot be told.

    Parameters
    ----------
    device : torch.device
        Processor or card.
    """
    if device.type == "cpu":
        return available_memory()
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    return None


def plan_memory(volume: Volume, prepared: Prepared, config: FitConfig, device: torch.device) -> Plan:
    """Return the first way that fits into what there is.

    As set, with smaller batches, in bfloat16, on the processor, and for the method auto without the refinement.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Its mask and crop.
    config : FitConfig
        Settings.
    device : torch.device
        That the settings mean.

    Raises
    ------
    ResourceError
        Where not even the last way does.
    """
    ways: list[Plan] = []
    free = {place: free_memory(place) for place in {device, torch.device("cpu")}}
    for place, savings, settings in _ways(config, device):
        predicted = predict(volume, prepared, settings, place, savings)
        left = free[place]
        if left is None or predicted <= left:
            plan = Plan(place, savings, settings, predicted)
            return plan if not ways else replace(plan, findings=(_stepped_down(ways[0], free[device], plan),))
        ways.append(Plan(place, savings, settings, predicted))
    least = min(ways, key=lambda way: way.predicted)
    left = free[least.device]
    assert left is not None
    if least.predicted > _HOPELESS * left:
        raise ResourceError(
            f"This fit needs about {in_words(least.predicted)} of memory, and {in_words(left)} are free.", _HINT
        )
    return replace(least, findings=(_stepped_down(ways[0], free[device], least),))


def plan_again(
    told: Mapping[str, Any], volume: Volume, prepared: Prepared, config: FitConfig, device: torch.device
) -> Plan:
    """Return the way in which an earlier fit was done, whatever memory there is now.

    Parameters
    ----------
    told : mapping of str to object
        From `Plan.told`.
    volume : Volume
        The image.
    prepared : Prepared
        Its mask and crop.
    config : FitConfig
        Settings.
    device : torch.device
        That the settings mean.
    """
    place = torch.device("cpu") if told["device"] == "cpu" else device
    savings = Savings(told["batch_slices"], told["precision"])
    settings = config if told["refine"] else replace(config, refine=False)
    return Plan(place, savings, settings, predict(volume, prepared, settings, place, savings))


def predict(
    volume: Volume, prepared: Prepared, config: FitConfig, device: torch.device, savings: Savings | None = None
) -> int:
    """Return the bytes that a fit takes at its peak, above the image.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Its mask and crop.
    config : FitConfig
        Settings.
    device : torch.device
        Where it computes.
    savings : Savings or None
        What is made smaller.
    """
    crop = tuple(part.stop - part.start for part in prepared.crop)
    footprint = Footprint.of(
        volume.grid_shape,
        crop,
        volume.n_channels,
        config,
        volume.geometry.spacing,
        low=multiplies_bfloat16_fast(device),
        savings=savings,
    )
    return footprint.peak()


def _ways(config: FitConfig, device: torch.device) -> Iterator[tuple[torch.device, Savings, FitConfig]]:
    yield device, Savings(), config
    learns = config.method in ("deepg", "deepsvg", "blindspot") or (config.method == "auto" and config.refine)
    if learns:
        yield device, Savings(1), config
        if config.precision == "auto" and multiplies_bfloat16_fast(device):
            yield device, Savings(1, "bfloat16"), config
    processor = torch.device("cpu")
    elsewhere = config.device == "auto" and device != processor
    if elsewhere:
        yield processor, Savings(), config
        if learns:
            yield processor, Savings(1), config
    if learns and config.method == "auto":
        yield processor if elsewhere else device, Savings(), replace(config, refine=False)


def _stepped_down(wanted: Plan, free: int | None, plan: Plan) -> Finding:
    how = []
    if plan.config != wanted.config:
        how.append("without the refinement")
    if plan.device != wanted.device:
        how.append("on the processor")
    if plan.savings.batch_slices is not None:
        how.append("one slice or patch a step")
    if plan.savings.precision is not None:
        how.append(f"in {plan.savings.precision}")
    there = "" if free is None else f", and {in_words(free)} are free"
    what = f"it is fitted {' and '.join(how)}" if how else "it may run out"
    return Finding(
        "memory-planned", f"As set, this fit needs about {in_words(wanted.predicted)} of memory{there}: {what}.", _HINT
    )
