"""Every loss is finite, has the right gradient, looks inside the mask only, and treats each image by itself."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from napari_gmmseg import losses
from napari_gmmseg.losses import (
    Outliers,
    dice,
    elbo,
    global_nll,
    imitation,
    mean_over_mask,
    mean_prior,
    outlier_region,
    partial_cross_entropy,
    printed_density_map,
    spatially_variant_nll,
    supervised_outlier_region,
    total_variation,
)

K, C = 3, 2
Given = dict[str, Tensor]


def strokes_of(target: Tensor) -> Tensor:
    """Return the likeliest class where it is plain, as a person would paint it; -1 elsewhere."""
    highest, labels = target.detach().max(1)
    return labels.masked_fill(highest < 0.5, -1)


@dataclass(frozen=True)
class Case:
    """A loss as a function of the ingredients that it takes, by name."""

    loss: Callable[[Given], Tensor]
    takes: tuple[str, ...]
    masked: bool = True
    #: Whether a batch costs the mean of its images.
    by_image: bool = True


#: At least one case for each module in losses/.
CASES: dict[str, Case] = {
    "averages": Case(lambda g: mean_over_mask(g["values"], g["mask"]), ("values",)),
    "dice": Case(lambda g: dice(g["log_prior"], strokes_of(g["target"]), g["mask"]), ("log_prior",), by_image=False),
    "elbo": Case(
        lambda g: elbo(g["log_prior"], g["shares"], g["densities"], g["mask"]), ("log_prior", "shares", "densities")
    ),
    "global_nll": Case(lambda g: global_nll(g["shares"], g["densities"], g["mask"]), ("shares", "densities")),
    "global_nll:floor": Case(
        lambda g: global_nll(g["shares"], g["densities"], g["mask"], floor=1e-2), ("shares", "densities")
    ),
    "imitation": Case(lambda g: imitation(g["log_prior"], g["target"], g["mask"]), ("log_prior", "target")),
    "mean_prior": Case(lambda g: mean_prior(g["means"], torch.ones(K, C).to(g["means"])), ("means",), masked=False),
    "outlier_region": Case(
        lambda g: outlier_region(g["log_prior"], Outliers.of_maps(g["score"], g["surround"]), g["mask"]), ("log_prior",)
    ),
    "outlier_region:supervised": Case(
        lambda g: supervised_outlier_region(g["log_prior"], g["score"], g["surround"].argmax(1), g["mask"]),
        ("log_prior",),
    ),
    "outlier_region:printed": Case(
        lambda g: mean_over_mask(printed_density_map(g["score"], 3, 5), torch.ones_like(g["mask"])),
        ("score",),
        masked=False,
    ),
    "partial_cross_entropy": Case(
        lambda g: partial_cross_entropy(g["log_prior"], strokes_of(g["target"]), g["values"].sigmoid(), g["mask"]),
        ("log_prior", "values"),
    ),
    "spatially_variant_nll": Case(
        lambda g: spatially_variant_nll(g["log_prior"], g["densities"], g["mask"]), ("log_prior", "densities")
    ),
    "spatially_variant_nll:floor": Case(
        lambda g: spatially_variant_nll(g["log_prior"], g["densities"], g["mask"], floor=1e-2),
        ("log_prior", "densities"),
    ),
    "total_variation": Case(
        lambda g: total_variation(g["target"], g["mask"], [0.5 + axis for axis in range(g["mask"].ndim - 1)]),
        ("target",),
    ),
}
#: What draws voxels instead of giving a number has tests of its own.
NO_NUMBER = {"blind_spot"}
MASKED = {name: case for name, case in CASES.items() if case.masked}
BY_IMAGE = {name: case for name, case in CASES.items() if case.by_image}

every_loss = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_masked_loss = pytest.mark.parametrize("case", MASKED.values(), ids=MASKED)
every_loss_by_image = pytest.mark.parametrize("case", BY_IMAGE.values(), ids=BY_IMAGE)
every_size = pytest.mark.parametrize("size", [(4, 5), (3, 2, 4), (1, 6)], ids=str)


def given(size: tuple[int, ...] = (4, 5), dtype: torch.dtype = torch.float64, n_images: int = 2) -> Given:
    """Return ingredients for every loss, the same each time; the mask is of another size in each image."""
    generator = torch.Generator().manual_seed(11)

    def normal(*shape: int) -> Tensor:
        return torch.randn(n_images, *shape, generator=generator, dtype=torch.float64)

    mask = torch.rand(n_images, *size, generator=generator) > 0.35
    mask[0] |= torch.rand(size, generator=generator) > 0.3
    return {
        "log_prior": normal(K, *size).log_softmax(1).to(dtype),
        "target": normal(K, *size).softmax(1).to(dtype),
        "densities": normal(K, *size).mul(2).sub(1).to(dtype),
        "shares": normal(K).softmax(1).to(dtype),
        "means": normal(K, C).to(dtype),
        "score": torch.rand(n_images, *size, generator=generator, dtype=torch.float64).to(dtype),
        "surround": normal(K, *size).softmax(1).to(dtype),
        "values": normal(*size).to(dtype),
        "mask": mask,
    }


def leaves(case: Case, ingredients: Given) -> tuple[Tensor, ...]:
    return tuple(ingredients[name].requires_grad_() for name in case.takes)


def test_every_module_in_losses_has_a_case() -> None:
    there = {module.name for module in pkgutil.iter_modules(losses.__path__)}
    assert there == {name.split(":")[0] for name in CASES} | NO_NUMBER


@every_loss
@every_size
def test_a_loss_is_one_finite_number_with_finite_gradients(case: Case, size: tuple[int, ...]) -> None:
    ingredients = given(size, torch.float32)
    inputs = leaves(case, ingredients)
    loss = case.loss(ingredients)
    assert loss.shape == ()
    assert loss.dtype is torch.float32
    assert loss.isfinite()
    for gradient in torch.autograd.grad(loss, inputs):
        assert gradient.isfinite().all()
        assert gradient.any()


@every_loss
@every_size
def test_the_gradient_is_that_of_the_number(case: Case, size: tuple[int, ...]) -> None:
    ingredients = given(size)

    def loss(*inputs: Tensor) -> Tensor:
        return case.loss(ingredients | dict(zip(case.takes, inputs, strict=True)))

    assert torch.autograd.gradcheck(loss, leaves(case, ingredients))


@every_masked_loss
@pytest.mark.parametrize("garbage", [1e30, -1e30])
def test_what_lies_outside_the_mask_changes_neither_number_nor_gradient(case: Case, garbage: float) -> None:
    clean, spoilt = given(), given()
    per_voxel = [name for name in case.takes if spoilt[name].shape[-2:] == spoilt["mask"].shape[-2:]]
    assert per_voxel
    for name in per_voxel:
        outside = ~spoilt["mask"] if spoilt[name].ndim == spoilt["mask"].ndim else ~spoilt["mask"][:, None]
        # The log of a probability is never above 0.
        spoilt[name] = spoilt[name].masked_fill(outside, -1e30 if name == "log_prior" else garbage)
    old, new = leaves(case, clean), leaves(case, spoilt)
    expected, found = case.loss(clean), case.loss(spoilt)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, new), torch.autograd.grad(expected, old))


@every_loss_by_image
def test_a_batch_of_two_costs_the_mean_of_its_images(case: Case) -> None:
    ingredients = given()
    singles = [case.loss({name: x[b : b + 1] for name, x in ingredients.items()}) for b in range(2)]
    assert singles[0] != singles[1]
    torch.testing.assert_close(case.loss(ingredients), torch.stack(singles).mean())


@every_loss
def test_a_class_without_voxels_leaves_number_and_gradients_finite(case: Case) -> None:
    ingredients = given(dtype=torch.float32)
    ingredients["log_prior"][:, 0] = -200.0
    ingredients["densities"][:, 0] = -1e6
    ingredients["target"][:, 0] = 0.0
    ingredients["shares"][:, 0] = 0.0
    inputs = leaves(case, ingredients)
    loss = case.loss(ingredients)
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, inputs))


@every_masked_loss
def test_an_image_without_voxels_costs_nothing(case: Case) -> None:
    ingredients = given()
    ingredients["mask"][1] = False
    first = case.loss({name: x[:1] for name, x in ingredients.items()})
    inputs = leaves(case, ingredients)
    loss = case.loss(ingredients)
    torch.testing.assert_close(loss, first / 2 if case.by_image else first)
    for gradient in torch.autograd.grad(loss, inputs):
        assert not gradient[1].any()
