"""Every network takes any size, is drawn from its generator alone, and says the same again after loading."""

from __future__ import annotations

import importlib
import inspect
import io
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor, nn

from napari_gmmseg import networks
from napari_gmmseg.networks import DeepLab, UNet

N_INPUTS, N_CLASSES = 2, 3


@dataclass(frozen=True)
class Case:
    """A network for N_INPUTS channels and N_CLASSES classes, how many numbers it learns, and sizes of images."""

    build: Callable[[Generator], nn.Module]
    n_parameters: int
    sizes: tuple[tuple[int, ...], ...]


def unet(n_dims: int, *, published: bool) -> Callable[[Generator], UNet]:
    return lambda generator: UNet(
        N_INPUTS, N_CLASSES, width=4, depth=2, n_dims=n_dims, published=published, generator=generator
    )


def deeplab(generator: Generator) -> DeepLab:
    return DeepLab(N_INPUTS, N_CLASSES, width=16, generator=generator)


FLAT = ((16, 16), (17, 23), (1, 30), (2, 1), (5, 64))
SOLID = ((8, 8, 8), (9, 7, 13), (1, 12, 10), (1, 1, 1))
CASES = {
    "UNet:published:2d": Case(unet(2, published=True), 7_003, FLAT),
    "UNet:published:3d": Case(unet(3, published=True), 20_395, SOLID),
    "UNet:light:2d": Case(unet(2, published=False), 7_043, FLAT),
    "UNet:light:3d": Case(unet(3, published=False), 20_435, SOLID),
    "DeepLab:small": Case(deeplab, 79_379, FLAT),
}
#: What networks are built of, with tests of its own.
PARTS = {"AttributeEncoder", "SmallEncoder"}
every_network = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_size = pytest.mark.parametrize(
    ("case", "size"), [pytest.param(c, s, id=f"{name}:{s}") for name, c in CASES.items() for s in c.sizes]
)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def image_of(size: tuple[int, ...], n_images: int = 2) -> Tensor:
    return torch.randn(n_images, N_INPUTS, *size, generator=seeded(99))


def test_every_network_has_a_case() -> None:
    modules = [
        importlib.import_module(f"{networks.__name__}.{module.name}")
        for module in pkgutil.iter_modules(networks.__path__)
    ]
    there = {
        name
        for module in modules
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, nn.Module) and member.__module__ == module.__name__
    }
    assert there
    assert there == {name.split(":")[0] for name in CASES} | PARTS


@every_network
def test_the_number_of_parameters_is_known(case: Case) -> None:
    assert sum(p.numel() for p in case.build(seeded()).parameters()) == case.n_parameters


@every_size
def test_logits_have_the_image_s_size_and_differ_between_classes(case: Case, size: tuple[int, ...]) -> None:
    logits = case.build(seeded())(image_of(size))
    assert logits.shape == (2, N_CLASSES, *size)
    assert logits.isfinite().all()
    assert logits.std(1).mean() > 1e-2


@every_network
def test_the_loss_reaches_every_parameter(case: Case) -> None:
    network = case.build(seeded())
    network(image_of(case.sizes[1])).log_softmax(1)[:, 0].mean().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]


@every_network
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(case: Case) -> None:
    first, second, other = (list(case.build(seeded(seed)).state_dict().values()) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@every_network
def test_the_global_generator_is_neither_read_nor_changed(case: Case) -> None:
    weights = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        weights.append(case.build(seeded()).state_dict())
        assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@every_network
def test_prediction_is_deterministic_and_leaves_the_network_as_it_is(case: Case) -> None:
    network = case.build(seeded()).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    image = image_of(case.sizes[1])
    with torch.inference_mode():
        assert torch.equal(network(image), network(image))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@every_network
def test_in_prediction_each_image_is_by_itself(case: Case) -> None:
    network = case.build(seeded()).eval()
    image = image_of(case.sizes[1])
    with torch.inference_mode():
        singles = torch.cat([network(image[:1]), network(image[1:])])
        torch.testing.assert_close(network(image), singles)


@every_network
def test_a_saved_network_says_the_same_when_loaded(case: Case) -> None:
    network, other = case.build(seeded(1)), case.build(seeded(2))
    image = image_of(case.sizes[1])
    network(image)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    with torch.inference_mode():
        assert torch.equal(network.eval()(image), other.eval()(image))


@every_network
def test_the_memory_s_order_does_not_matter(case: Case) -> None:
    network = case.build(seeded()).eval()
    image = image_of(case.sizes[1])
    order = torch.channels_last if image.ndim == 4 else torch.channels_last_3d
    with torch.inference_mode():
        expected = network(image)
        found = network.to(memory_format=order)(image.to(memory_format=order))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@every_network
def test_bfloat16_stays_near_float32(case: Case) -> None:
    network = case.build(seeded())
    image = image_of(case.sizes[1])
    with torch.no_grad():
        expected = network(image)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(image)
    assert (found.float() - expected).abs().mean() < 0.1 * expected.std()
