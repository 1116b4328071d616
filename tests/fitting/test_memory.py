"""What memory a fit is predicted to take, and what is made smaller where it is not there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.fitting.live_runs import FAST, slab_case, slice_case

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.memory import Footprint, Savings, in_words
from napari_gmmseg.errors import ResourceError
from napari_gmmseg.fitting import memory
from napari_gmmseg.fitting.memory import plan_memory
from napari_gmmseg.networks import UNet

GRID = (80, 128, 112)
METHODS = ("gmm", "svgmm", "spatial", "deepg", "deepsvg", "blindspot", "auto")
CPU = torch.device("cpu")


def footprint(
    grid: tuple[int, int, int] = GRID, n_channels: int = 1, *, low: bool = False, **settings: Any
) -> Footprint:
    return Footprint.of(grid, grid, n_channels, FitConfig(**settings), (1.0, 1.0, 1.0), low=low)


@pytest.mark.parametrize("method", METHODS)
def test_memory_grows_with_voxels_classes_and_channels(method: str) -> None:
    small = footprint(method=method).peak()
    assert footprint((160, 128, 112), method=method).peak() > 1.5 * small
    assert footprint(method=method, n_classes=6).peak() > 1.3 * small
    assert footprint(method=method, n_channels=3).peak() > small


@pytest.mark.parametrize("more", [{"width": 32}, {"depth": 3}, {"view": "3d"}, {"recipe": "paper"}], ids=str)
def test_a_larger_network_takes_more(more: dict[str, Any]) -> None:
    assert footprint(method="deepsvg", **more).peak() > footprint(method="deepsvg").peak()


def test_bfloat16_and_smaller_batches_take_less() -> None:
    plain = footprint(method="deepsvg", view="3d")
    assert footprint(method="deepsvg", view="3d", precision="bfloat16").peak() < plain.peak()
    assert footprint(method="deepsvg", view="3d", low=True).peak() < plain.peak()
    config = FitConfig(method="deepsvg", view="3d")
    assert Footprint.of(GRID, GRID, 1, config, (1.0,) * 3, savings=Savings(1)).peak() < plain.peak()


def test_auto_without_refinement_takes_what_the_spatial_mixture_takes() -> None:
    assert footprint(method="auto", refine=False).peak() == footprint(method="spatial").peak()
    assert footprint(method="auto").peak() > footprint(method="spatial").peak()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("recipe", ["tuned", "paper"])
def test_the_weights_are_counted_to_within_a_hundredth(dims: int, recipe: str) -> None:
    settings = {"method": "deepsvg", "recipe": recipe, "view": "2d" if dims == 2 else "3d", "width": 16, "depth": 3}
    network = UNet(
        4 if recipe == "tuned" else 1,
        3,
        width=16,
        depth=3,
        n_dims=dims,
        published=recipe == "paper",
        generator=torch.Generator().manual_seed(0),
    )
    counted = sum(parameter.numel() for parameter in network.parameters())
    assert footprint(**settings).weights == pytest.approx(counted, rel=0.01)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch):
    """Say how many bytes are free."""

    def say(n_bytes: float) -> None:
        monkeypatch.setattr(memory, "available_memory", lambda: int(n_bytes))

    return say


def plan(**settings: Any) -> memory.Plan:
    case = slab_case()
    return plan_memory(case.volume, case.prepared, FitConfig(device="cpu", **settings), CPU)


@pytest.mark.parametrize("method", METHODS)
def test_what_fits_is_left_as_it_was_set(free, method: str) -> None:
    free(1e12)
    planned = plan(method=method)
    assert planned.savings == Savings()
    assert planned.config == FitConfig(device="cpu", method=method)
    assert not planned.findings


def test_a_batch_is_made_smaller_where_that_fits_and_it_is_told(free) -> None:
    needed = plan(method="deepsvg", width=64, precision="float32").predicted
    free(0.9 * needed)
    planned = plan(method="deepsvg", width=64, precision="float32")
    assert planned.savings == Savings(1)
    assert planned.predicted <= 0.9 * needed
    (told,) = planned.findings
    assert told.code == "memory-planned"
    assert "one slice or patch a step" in told.message
    assert told.hint


def test_auto_leaves_out_the_refinement_where_only_the_mixture_fits(free) -> None:
    needed = plan(method="spatial").predicted
    free(1.05 * needed)
    planned = plan(method="auto")
    assert planned.config.refine is False
    assert "without the refinement" in planned.findings[0].message


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_that_cannot_fit_is_refused_before_its_start(free, method: str) -> None:
    free(1e5)
    with pytest.raises(ResourceError, match="of memory, and 0 MB are free") as raised:
        next(slab_case().begin(method=method))
    assert "smaller mask or box" in raised.value.hint


def test_a_prediction_a_little_above_what_is_free_is_tried_with_a_warning(free) -> None:
    needed = plan(method="spatial").predicted
    free(needed / 1.1)
    (told,) = plan(method="spatial").findings
    assert "it may run out" in told.message
    assert told.severity == "warning"


def test_what_was_planned_is_in_the_first_report_and_in_the_result(free) -> None:
    case = slab_case()
    free(0.95 * plan(method="deepsvg", width=64, precision="float32").predicted)
    run = case.run(method="deepsvg", **{**FAST, "max_steps": 3, "width": 64, "precision": "float32"})
    assert [finding.code for finding in run.reports[0].findings] == ["memory-planned"]
    assert run.reports[0].findings[0] in run.result.findings
    assert all(not report.findings for report in run.reports[1:])


def test_the_prediction_is_in_the_provenance() -> None:
    case = slice_case()
    told = case.run(method="spatial").result.provenance["predicted_memory_mb"]
    assert told == round(plan_memory(case.volume, case.prepared, FitConfig(method="spatial"), CPU).predicted / 1e6)


@pytest.mark.parametrize(("n_bytes", "words"), [(0, "0 MB"), (512e6, "512 MB"), (1.26e9, "1.3 GB")])
def test_amounts_are_told_in_words(n_bytes: float, words: str) -> None:
    assert in_words(n_bytes) == words
