"""What is particular to DeepLabv3+: its layers, its attributes, encoders by name, and public weights from a file."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from napari_gmmseg.errors import MissingLibraryError, SettingsError
from napari_gmmseg.networks import DeepLab, extra, hold_batch_norms_, load_encoder_
from napari_gmmseg.networks.separable import SmallEncoder

extra_installed = pytest.mark.skipif(
    find_spec("segmentation_models_pytorch") is None, reason="the extra [glioma] is not installed"
)


def build(encoder="small", n_inputs=3, n_outputs=2, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return DeepLab(n_inputs, n_outputs, encoder=encoder, generator=generator, **options)


def image_of(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def count(network):
    return sum(p.numel() for p in network.parameters())


def dilations(network):
    return [branch[0].dilation[0] for branch in network.branches[1:]]


def test_the_small_network_has_few_parameters_and_no_batch_norm():
    network = build(n_attributes=27)
    assert count(network) == 144_166
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_the_pyramid_and_the_branch_of_fine_detail_are_the_paper_s():
    network = build(width=256)
    assert dilations(network) == [6, 12, 18]
    assert network.detail[0].out_channels == 48
    assert network.merge[0].in_channels == 256 + 48


def test_the_small_encoder_halves_four_times():
    features = SmallEncoder(4)(image_of(1, 4, 32, 48))
    assert [tuple(f.shape[1:]) for f in features] == [(4, 32, 48), (16, 16, 24), (32, 8, 12), (64, 4, 6), (128, 2, 3)]


def test_maps_of_attributes_join_the_deepest_features():
    without, with_attributes = build(), build(n_attributes=4)
    assert with_attributes.branches[0][0].in_channels == without.branches[0][0].in_channels + 3


def test_other_attributes_give_another_answer_and_none_are_zeros():
    network, image = build(n_attributes=4).eval(), image_of(1, 3, 32, 32)
    first, second = (network(image, torch.tensor([values])) for values in ([1.0, 0, 0, 0.5], [0, 1.0, 0, 0.5]))
    assert (first - second).abs().max() > 1e-4
    assert torch.equal(network(image), network(image, torch.zeros(1, 4)))


def test_the_loss_reaches_the_layers_of_the_attributes():
    network = build(n_attributes=4)
    network(image_of(2, 3, 32, 32), torch.ones(2, 4)).log_softmax(1)[:, 0].mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.attributes.parameters())


def test_a_grid_of_attributes_serves_any_size_of_image():
    network = build(n_attributes=4, attribute_grid=16).eval()
    assert network.attributes.layers[2].out_features == 3 * 16 * 16
    for size in ((256, 256), (40, 90)):
        assert network(image_of(1, 3, *size), torch.ones(1, 4)).shape == (1, 2, *size)


def test_a_batch_of_one_small_slice_can_be_learnt_from():
    network = build()
    network(image_of(1, 3, 9, 9)).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_it_learns_the_outline_of_a_disc():
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    target = (((y - 30) ** 2 + (x - 36) ** 2) < 15**2).long()[None]
    image = 0.2 * image_of(1, 3, 64, 64) + target[:, None]
    network = build(width=32)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(image), target).backward()
        optimiser.step()
    found = network.eval()(image).argmax(1)
    assert 2 * (found & target).sum() / (found.sum() + target.sum()) > 0.95


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError) as caught:
        build("tu-regnetz_040")
    assert "timm" in caught.value.message
    assert 'pip install "napari-gmmseg[glioma]"' in caught.value.hint
    assert count(build("small")) > 0


@extra_installed
def test_the_paper_s_encoder_has_its_features_and_its_size():
    network = build("tu-regnetz_040", n_outputs=1, width=256)
    features = network.encoder.eval()(image_of(1, 3, 64, 64))
    assert tuple(features[2].shape) == (1, 48, 16, 16)
    assert tuple(features[-1].shape) == (1, 528, 4, 4)
    assert count(network.encoder) == 26_587_800
    # The same number as segmentation-models-pytorch's own DeepLabV3Plus with this encoder.
    assert count(network) == 27_760_729
    assert network.branches[0][0].in_channels == 528


@extra_installed
def test_with_attributes_the_paper_s_pyramid_takes_531_channels():
    assert build("tu-regnetz_040", width=256, n_attributes=24).branches[0][0].in_channels == 531


@extra_installed
@pytest.mark.parametrize("size", [(50, 37), (16, 16)])
def test_the_paper_s_network_takes_a_batch_of_one_of_any_size(size):
    network = build("tu-regnetz_040", n_inputs=4)
    logits = network(image_of(1, 4, *size))
    assert logits.shape == (1, 2, *size)
    logits.mean().backward()
    assert network.encoder.model.stem.conv.weight.grad.isfinite().all()


@extra_installed
def test_an_encoder_by_name_is_drawn_from_the_generator_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second, other = (build("resnet18", seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["encoder.conv1.weight"], other["encoder.conv1.weight"])


@extra_installed
def test_nothing_is_dropped_at_random():
    network = build("tu-efficientnet_b0").train()
    hold_batch_norms_(network)
    image = image_of(2, 3, 32, 32)
    assert torch.equal(network(image), network(image))


@extra_installed
@pytest.mark.parametrize("name", ["nope", "tu-nope", "vgg11"])
def test_an_encoder_that_will_not_do_is_told(name):
    with pytest.raises(SettingsError, match=name) as caught:
        build(name)
    assert "small" in caught.value.hint


@extra_installed
def test_weights_of_a_classifier_are_loaded_strictly():
    import timm

    torch.manual_seed(3)
    public = timm.create_model("regnetz_040", pretrained=False).state_dict()
    network = build("tu-regnetz_040")
    load_encoder_(network.encoder, public)
    own = network.encoder.state_dict()
    assert torch.equal(own["model.s4.b6.conv3.conv.weight"], public["s4.b6.conv3.conv.weight"])
    incomplete = {name: value for name, value in public.items() if name != "stem.conv.weight"}
    with pytest.raises(SettingsError, match=r"stem\.conv\.weight missing"):
        load_encoder_(network.encoder, incomplete)
    with pytest.raises(SettingsError, match="odd"):
        load_encoder_(network.encoder, public | {"odd": torch.zeros(1)})
    with pytest.raises(SettingsError, match="shape"):
        load_encoder_(network.encoder, public | {"stem.bn.weight": torch.zeros(5)})


@extra_installed
def test_weights_for_three_colours_serve_four_channels():
    three, four = build("resnet18"), build("resnet18", n_inputs=4, seed=1)
    load_encoder_(four.encoder, three.encoder.state_dict())
    grey = image_of(1, 1, 64, 64)
    a, b = (n.encoder.eval()(grey.expand(-1, c, -1, -1))[1] for n, c in ((three, 3), (four, 4)))
    torch.testing.assert_close(a, b)


@extra_installed
def test_batch_norms_can_be_held():
    network = build("resnet18").train()
    hold_batch_norms_(network)
    before = network.encoder.bn1.running_mean.clone()
    network(image_of(1, 3, 32, 32))
    assert torch.equal(network.encoder.bn1.running_mean, before)
    network.train()
    network(image_of(1, 3, 32, 32))
    assert not torch.equal(network.encoder.bn1.running_mean, before)
