"""A network for more or fewer classes keeps what it has learnt."""

from __future__ import annotations

import pytest
import torch

from napari_gmmseg.networks import UNet, rehead_

SPLIT = ((0,), (1,), (2,), (1,))
MERGED = ((0, 2), (1,))


def build(n_inputs: int, n_outputs: int, *, n_dims: int = 2, seed: int = 0) -> UNet:
    generator = torch.Generator().manual_seed(seed)
    network = UNet(n_inputs, n_outputs, width=4, depth=1, n_dims=n_dims, published=False, generator=generator)
    return network.eval()


def reheaded(old: UNet, parents, *, n_inputs: int, n_channels: int = 1, n_looks: int = 1, seed: int = 1) -> UNet:
    new = build(n_inputs, len(parents), n_dims=old.head.weight.ndim - 2, seed=9)
    generator = torch.Generator().manual_seed(seed)
    rehead_(new, old, parents, n_channels=n_channels, n_looks=n_looks, generator=generator)
    return new


def image(n_channels: int, n_dims: int = 2) -> torch.Tensor:
    return torch.randn(2, n_channels, *(8,) * n_dims, generator=torch.Generator().manual_seed(3))


def probabilities(network: UNet, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.softmax(network(inputs), 1)


@pytest.mark.parametrize("n_dims", [2, 3])
def test_the_probabilities_of_halves_add_up_to_their_parent_s(n_dims: int) -> None:
    old = build(1, 3, n_dims=n_dims)
    new = reheaded(old, SPLIT, n_inputs=1)
    before, after = probabilities(old, image(1, n_dims)), probabilities(new, image(1, n_dims))
    torch.testing.assert_close(after[:, 1] + after[:, 3], before[:, 1], atol=0.03, rtol=0)
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]], atol=0.03, rtol=0)


def test_without_the_perturbation_they_add_up_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_gmmseg.networks.reheading._APART", 0.0)
    old = build(1, 3)
    before, after = probabilities(old, image(1)), probabilities(reheaded(old, SPLIT, n_inputs=1), image(1))
    torch.testing.assert_close(after[:, 1], before[:, 1] / 2)
    torch.testing.assert_close(after[:, 3], before[:, 1] / 2)
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]])


def test_halves_differ_so_that_they_can_part() -> None:
    new = reheaded(build(1, 3), SPLIT, n_inputs=1)
    assert not torch.equal(new.head.weight[1], new.head.weight[3])


def test_classes_that_are_not_split_keep_their_weights_to_the_last_bit() -> None:
    old = build(1, 3)
    new = reheaded(old, SPLIT, n_inputs=1)
    for name, value in old.state_dict().items():
        if not name.startswith("head"):
            torch.testing.assert_close(new.state_dict()[name], value, rtol=0, atol=0)
    torch.testing.assert_close(new.head.weight[[0, 2]], old.head.weight[[0, 2]], rtol=0, atol=0)


def test_the_same_seed_gives_the_same_perturbation_and_another_seed_another() -> None:
    old = build(1, 3)
    one, same, other = (reheaded(old, SPLIT, n_inputs=1, seed=seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_merged_classes_that_agreed_have_the_sum_of_their_probabilities() -> None:
    old = build(1, 3)
    with torch.no_grad():
        old.head.weight[2], old.head.bias[2] = old.head.weight[0], old.head.bias[0]
    before, after = probabilities(old, image(1)), probabilities(reheaded(old, MERGED, n_inputs=1), image(1))
    torch.testing.assert_close(after[:, 0], before[:, 0] + before[:, 2])


def test_merged_classes_hand_on_their_mean_logit_and_log_two() -> None:
    old = build(1, 3)
    with torch.no_grad():
        before, after = old(image(1)), reheaded(old, MERGED, n_inputs=1)(image(1))
    expected = (before[:, 0] + before[:, 2]) / 2 + torch.log(torch.tensor(2.0))
    torch.testing.assert_close(after[:, 0], expected)
    torch.testing.assert_close(after[:, 1], before[:, 1])


@pytest.mark.parametrize(("n_channels", "n_looks"), [(1, 1), (2, 1), (1, 5), (2, 5)])
def test_class_maps_that_a_network_sees_follow_a_split(
    n_channels: int, n_looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_gmmseg.networks.reheading._APART", 0.0)
    old = build(n_looks * (n_channels + 3), 3)
    new = reheaded(old, SPLIT, n_inputs=n_looks * (n_channels + 4), n_channels=n_channels, n_looks=n_looks)
    looks, halved = [], []
    for seed in range(n_looks):
        generator = torch.Generator().manual_seed(seed)
        channels = torch.randn(2, n_channels, 8, 8, generator=generator)
        maps = torch.softmax(torch.randn(2, 3, 8, 8, generator=generator), 1)
        part = torch.rand(2, 8, 8, generator=generator)
        looks.append(torch.cat([channels, maps], 1))
        split = torch.stack([maps[:, 0], part * maps[:, 1], maps[:, 2], (1 - part) * maps[:, 1]], 1)
        halved.append(torch.cat([channels, split], 1))
    before, after = probabilities(old, torch.cat(looks, 1)), probabilities(new, torch.cat(halved, 1))
    torch.testing.assert_close(after[:, 1] + after[:, 3], before[:, 1], atol=1e-5, rtol=1e-4)


def test_class_maps_of_merged_classes_have_their_mean_weight() -> None:
    old = build(4, 3)
    new = reheaded(old, MERGED, n_inputs=3)
    seen, was = new.down[0][0].weight, old.down[0][0].weight
    torch.testing.assert_close(seen[:, 0], was[:, 0], rtol=0, atol=0)
    torch.testing.assert_close(seen[:, 1], (was[:, 1] + was[:, 3]) / 2)
    torch.testing.assert_close(seen[:, 2], was[:, 2])


def test_the_old_network_is_left_as_it_was() -> None:
    old = build(4, 3)
    before = {name: value.clone() for name, value in old.state_dict().items()}
    reheaded(old, SPLIT, n_inputs=5)
    for name, value in old.state_dict().items():
        assert torch.equal(value, before[name])
