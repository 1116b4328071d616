"""What is particular to the U-Nets: their layers, their padding, and that they learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_gmmseg.networks import UNet
from napari_gmmseg.networks.blocks import cropped, padded, padding_to


def build(*, published, n_inputs=1, n_outputs=2, width=4, depth=2, n_dims=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return UNet(n_inputs, n_outputs, width=width, depth=depth, n_dims=n_dims, published=published, generator=generator)


def kinds(block):
    return [type(layer).__name__ for layer in block]


def count(network):
    return sum(p.numel() for p in network.parameters())


def test_the_published_network_has_the_size_of_the_article_s():
    assert count(build(published=True, n_inputs=3, n_outputs=4, width=32, depth=4)) == 7_239_428


def test_the_tuned_network_for_five_slices_and_three_classes_is_small():
    assert count(build(published=False, n_inputs=5, n_outputs=3, width=8, depth=3)) == 113_275


def test_all_norms_of_the_light_network_keep_statistics_at_the_momentum_that_is_asked_for():
    generator = torch.Generator().manual_seed(0)
    network = UNet(1, 2, width=4, depth=2, published=False, norm_momentum=0.3, generator=generator)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.3}
    # Two convolutions a block; three blocks down, two up.
    assert len(norms) == 10


def test_the_published_block_has_one_norm_after_the_second_convolution():
    block = build(published=True).down[0]
    assert kinds(block) == ["Conv2d", "LeakyReLU", "Conv2d", "InstanceNorm2d", "LeakyReLU"]
    first, activation, second, norm, _ = block
    assert first.bias is not None
    assert second.bias is None
    assert norm.affine
    assert not norm.track_running_stats
    assert activation.negative_slope == 0.01


def test_the_light_block_has_a_batch_norm_after_each_convolution():
    block = build(published=False, n_dims=3).down[0]
    assert kinds(block) == ["Conv3d", "BatchNorm3d", "LeakyReLU"] * 2
    assert all(layer.bias is None for layer in block if isinstance(layer, nn.Conv3d))
    assert block[2].negative_slope == 0.1


def test_channels_double_with_each_halving():
    network = build(published=True, width=32, depth=4)
    assert [block[0].out_channels for block in network.down] == [32, 64, 128, 256, 512]
    assert [block[0].in_channels for block in network.up] == [512, 256, 128, 64]
    assert network.stride == 16


def test_narrowing_before_doubling_is_the_published_order_of_the_two():
    network = build(published=True)
    features = torch.randn(2, 16, 5, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        network.enlarge(network.narrow[0](features)), network.narrow[0](network.enlarge(features))
    )


def test_fine_detail_reaches_the_answer_beside_the_lower_levels():
    network = build(published=True)
    first, second = torch.randn(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for layer in network.narrow:
            layer.weight.zero_()
        assert (network(first) - network(second)).abs().mean() > 0.1


@pytest.mark.parametrize(
    ("size", "margins"),
    [((16, 24), [(0, 0), (0, 0)]), ((17, 30), [(3, 4), (1, 1)]), ((8, 1), [(4, 4), (7, 8)]), ((9,), [(3, 4)])],
)
def test_axes_are_padded_to_a_multiple_of_the_stride_and_to_two_of_it(size, margins):
    assert padding_to(size, 8) == margins


def test_padding_repeats_the_edges_and_cropping_undoes_it():
    image = torch.arange(6.0).view(1, 1, 2, 3)
    margins = [(1, 0), (2, 3)]
    wide = padded(image, margins)
    assert wide[0, 0].tolist() == [[0, 0, 0, 1, 2, 2, 2, 2]] * 2 + [[3, 3, 3, 4, 5, 5, 5, 5]]
    assert torch.equal(cropped(wide, margins), image)


def test_an_image_of_the_right_size_is_not_copied():
    image = torch.zeros(1, 1, 16, 16)
    assert padded(image, padding_to((16, 16), 4)) is image


def test_a_margin_of_edge_voxels_does_not_change_the_published_network_s_answer():
    network = build(published=True)
    image = torch.randn(1, 1, 14, 16, generator=torch.Generator().manual_seed(1))
    wide = nn.functional.pad(image, [0, 0, 1, 1], mode="replicate")
    torch.testing.assert_close(network(image), network(wide)[:, :, 1:-1])


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("n_dims", [2, 3])
def test_the_weights_are_drawn_within_the_bound_of_their_fan_in(published, n_dims):
    network = build(published=published, n_inputs=3, width=8, n_dims=n_dims)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            bound = module.weight[0].numel() ** -0.5
            assert 0.8 * bound < module.weight.abs().max() <= bound
            assert module.bias is None or 0 < module.bias.abs().max() <= bound


@pytest.mark.parametrize("published", [True, False])
def test_a_network_learns_the_edges_of_a_square(published):
    image = 0.2 * torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    image[..., 8:24, 8:24] += 1.0
    target = torch.zeros(1, 32, 32, dtype=torch.long)
    target[:, 8:24, 8:24] = 1
    target[:, 10:22, 10:22] = 0
    network = build(published=published)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(image), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.25 * losses[0]
