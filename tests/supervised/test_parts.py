"""What a training is made of: who goes where, what the network sees, what is changed at random, and the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_gmmseg.config.training import AugmentationSettings, TrainingConfig
from napari_gmmseg.errors import InputError, SettingsError
from napari_gmmseg.fitting.supervised.augmenting import augmented
from napari_gmmseg.fitting.supervised.learner import Learner
from napari_gmmseg.fitting.supervised.objective import Objective, class_weights, mixture_nll, mixture_rise
from napari_gmmseg.fitting.supervised.slices import Batch, SlicedCase, collate
from napari_gmmseg.fitting.supervised.splitting import split
from napari_gmmseg.losses import dice
from napari_gmmseg.volumes import AttributeTable, CaseSet

from .labelled_cases import CLASSES, case, case_set, config

NOTHING = AugmentationSettings(channel_drop=0, brightness=0, contrast=0, saturation=0)


def sliced(number=0, n_looks=1, **options):
    return SlicedCase(case(number, **options), CLASSES, AttributeTable(), n_looks)


def batch_of(held, slices=(1, 2)):
    return collate([(held.image(z), held.target(z), held.foreground[z], held.numbers(z)) for z in slices])


def patients(cases):
    return {c.patient for c in cases}


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_in_two_parts(seed):
    twice = (*case_set(10).cases, *(case(100 + s, patient=f"patient-{s}") for s in range(10)))
    parts = split(twice, TrainingConfig(seed=seed, validation_share=0.2, test_share=0.2))
    train, validation, test = (patients(part) for part in (parts.train, parts.validation, parts.test))
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert (len(train), len(validation), len(test)) == (6, 2, 2)
    assert len(parts.train) == 12


def test_another_seed_puts_other_patients_aside():
    chosen = {split(case_set(10).cases, TrainingConfig(seed=seed)).validation[0].name for seed in range(8)}
    assert len(chosen) > 2


def test_a_person_s_choice_holds_for_all_cases_of_a_patient():
    cases = (case(0, patient="p"), case(1, patient="p", part="test"), case(2, part="validation"), case(3))
    parts = split(cases, config())
    assert patients(parts.test) == {"p"}
    assert len(parts.test) == 2
    assert patients(parts.train) == {"patient-3"}


@pytest.mark.parametrize("seed", range(10))
def test_the_seed_measures_on_patients_alone_whose_cases_all_have_labels(seed):
    cases = (*(case(n, labelled=n < 7) for n in range(10)), case(10, labelled=False, patient="patient-0"))
    parts = split(cases, TrainingConfig(seed=seed))
    assert all(c.labels is not None for c in (*parts.validation, *parts.test))
    assert (len(parts.validation), len(parts.test)) == (1, 1)
    assert not {"patient-0", "patient-8"} & (patients(parts.validation) | patients(parts.test))


def test_a_case_that_was_put_into_train_leaves_the_others_to_the_seed():
    cases = tuple(replace(c, part="train" if c.name == "case-0" else "") for c in case_set(10).cases)
    parts = split(cases, TrainingConfig(validation_share=0.2, test_share=0.2))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (6, 2, 2)
    assert "patient-0" in patients(parts.train)
    told = tuple(replace(c, part="test" if c.name == "case-0" else "") for c in case_set(10).cases)
    parts = split(told, TrainingConfig(validation_share=0.2, test_share=0.2))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (7, 2, 1)


def test_two_patients_are_enough_as_the_hint_says():
    with pytest.raises(SettingsError, match="put aside: 2 patients with labels") as caught:
        split(case_set(2).cases, TrainingConfig())
    assert "--test-share 0" in str(caught.value.hint)
    parts = split(case_set(2).cases, TrainingConfig(test_share=0.0))
    assert (len(parts.train), len(parts.validation)) == (1, 1)


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        (
            (case(0, patient="p", part="train"), case(1, patient="p", part="validation")),
            "into train and into validation",
        ),
        ((case(0),), "No labelled case is left"),
        ((case(0, part="train"), case(1, part="train")), "Nobody is left to validate with"),
        ((case(0, part="train"), case(1, part="validation", labelled=False)), "without labels"),
    ],
    ids=["twice", "one", "nobody", "unlabelled"],
)
def test_parts_that_prove_nothing_are_refused(cases, words):
    with pytest.raises(SettingsError, match=words):
        split(cases, config())


def test_cases_have_names_of_their_own_and_the_same_channels():
    with pytest.raises(InputError, match="Two cases are named"):
        CaseSet((case(0), case(0)), CLASSES)
    with pytest.raises(InputError, match="channels"):
        CaseSet((case(0), replace(case(1), channels=("t1", "t2"))), CLASSES)


def test_intensities_are_standardised_in_the_head():
    held = sliced()
    values = np.concatenate([held.image(z)[0][held.foreground[z]] for z in range(4)])
    assert abs(values.mean()) < 1e-3
    assert values.std() == pytest.approx(1, abs=1e-3)


def test_neighbouring_slices_come_along_and_ends_are_repeated():
    one, three = sliced(), sliced(n_looks=3)
    assert three.image(0).shape == (6, 32, 32)
    np.testing.assert_array_equal(three.image(0), np.concatenate([one.image(0), one.image(0), one.image(1)]))
    np.testing.assert_array_equal(three.image(2), np.concatenate([one.image(z) for z in (1, 2, 3)]))


def test_what_is_not_finite_is_as_if_it_were_the_mean():
    image = case(0).image.astype(np.float32)
    image[0, 1, 16, 16] = np.nan
    held = SlicedCase(replace(case(0), image=image), CLASSES, AttributeTable(), 1)
    assert held.image(1)[0, 16, 16] == 0
    assert np.isfinite(held.image(1)).all()


def test_smaller_slices_are_filled_up_with_what_nothing_learns():
    small, large = sliced(0, size=20), sliced(1)
    batch = collate([(h.image(1), h.target(1), h.foreground[1], h.numbers(1)) for h in (small, large)])
    assert batch.images.shape == (2, 2, 32, 32)
    assert (batch.targets[0, 20:] == -1).all()
    assert (batch.targets[0, :, 20:] == -1).all()
    assert not batch.foreground[0, 20:].any()
    assert torch.equal(batch.targets[1], torch.from_numpy(large.target(1)))


def test_a_slice_knows_where_it_lies():
    batch = batch_of(sliced(), range(4))
    assert batch.attributes[:, 0].tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1])


def test_nothing_is_changed_at_random_where_nothing_was_asked_for():
    batch = batch_of(sliced())
    changed = augmented(batch, NOTHING, 1, np.random.default_rng(0))
    torch.testing.assert_close(changed.images, batch.images)
    assert changed.targets is batch.targets


def test_brightness_shifts_all_channels_alike_and_contrast_scales_them():
    batch = batch_of(sliced())
    moved = augmented(batch, replace(NOTHING, brightness=0.5), 1, np.random.default_rng(0)).images - batch.images
    assert moved.flatten(1).std(1).max() < 1e-5
    assert 0 < moved.abs().max() <= 0.5
    scaled = augmented(batch, replace(NOTHING, contrast=0.5), 1, np.random.default_rng(0)).images
    ratio = (scaled / batch.images).flatten(1).median(1).values
    assert ((ratio - 1).abs() <= 0.5).all()
    torch.testing.assert_close(scaled, batch.images * ratio.view(-1, 1, 1, 1))


def test_saturation_changes_what_channels_differ_by_and_not_their_mean():
    batch = batch_of(sliced())
    changed = augmented(batch, replace(NOTHING, saturation=0.5), 1, np.random.default_rng(0)).images
    torch.testing.assert_close(changed.mean(1), batch.images.mean(1))
    assert (changed - batch.images).abs().max() > 0.01


def test_one_channel_at_most_is_blanked_in_all_slices_that_are_seen_together():
    batch = batch_of(sliced(n_looks=3))
    changed = augmented(batch, replace(NOTHING, channel_drop=1.0), 3, np.random.default_rng(0)).images
    for image in changed.unflatten(1, (3, 2)):
        blank = (image == 0).flatten(2).all(2)
        assert (blank == blank[0]).all()
        assert blank[0].sum() == 1


def test_a_mirrored_image_takes_its_labels_along():
    batch = batch_of(sliced())
    changed = augmented(batch, replace(NOTHING, flip=1.0), 1, np.random.default_rng(0))
    torch.testing.assert_close(changed.images, batch.images.flip(-1))
    assert torch.equal(changed.targets, batch.targets.flip(-1))


def test_intensities_that_nothing_changed_are_mirrored_with_their_slice():
    batch = batch_of(sliced(n_looks=3))
    settings = replace(NOTHING, channel_drop=1.0, brightness=0.3, contrast=0.3, saturation=0.3)
    unmirrored = augmented(batch, settings, 3, np.random.default_rng(1))
    assert torch.equal(unmirrored.plain, batch.images)
    assert not torch.equal(unmirrored.images, batch.images)
    mirrored = augmented(batch, replace(settings, flip=1.0), 3, np.random.default_rng(1))
    assert torch.equal(mirrored.plain, batch.images.flip(-1))


def test_the_mixture_s_term_sees_the_slice_as_the_network_sees_it(monkeypatch):
    settings = config(flip=1.0, mixture_weight=1.0, brightness=0, contrast=0, saturation=0, channel_drop=0, slices=3)
    given = case_set(3)
    learner = Learner(split(given.cases, settings), given.classes, settings, None)
    seen = []
    step = Objective.__call__
    monkeypatch.setattr(Objective, "__call__", lambda *given: seen.append(given[1:]) or step(*given))
    next(learner.epoch())
    _, batch, plain, _ = seen[0]
    torch.testing.assert_close(plain, batch.images[:, 2:4])


def objective(**settings):
    return Objective(config(**settings), torch.ones(2))


def logits_of(batch, seed=0):
    return torch.randn(len(batch.images), 2, *batch.images.shape[2:], generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_the_weighted_sum_of_its_terms():
    batch = batch_of(sliced())
    logits = logits_of(batch)
    total, terms = objective(cross_entropy_weight=2.0, dice_weight=3.0)(logits, batch, batch.images, 0.0)
    assert set(terms) == {"cross-entropy", "Dice"}
    known = torch.ones_like(batch.targets, dtype=torch.bool)
    log_prior = logits.log_softmax(1)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[:, 1] - logits[:, 0], batch.targets.float()
    )
    torch.testing.assert_close(terms["cross-entropy"], cross_entropy)
    torch.testing.assert_close(total, 2 * cross_entropy + 3 * dice(log_prior, batch.targets, known))


def test_outliers_count_from_their_ramp_on():
    batch = batch_of(sliced())
    logits = torch.zeros(2, 2, 32, 32)
    logits[:, 0] = 4.0
    logits[:, 1, 4:7, 4:7] = 8.0
    given = objective(outlier_weight=2.0, outlier_ramp=0.5)
    before, none = given(logits, batch, batch.images, 0.4)
    half, some = given(logits, batch, batch.images, 0.625)
    full, same = given(logits, batch, batch.images, 1.0)
    assert "outlier regions" not in none
    assert some["outlier regions"] > 0
    torch.testing.assert_close(half - before, some["outlier regions"])
    torch.testing.assert_close(full - before, 2 * same["outlier regions"])


def test_the_mixture_s_weight_rises_over_the_first_third():
    assert mixture_rise(0.0) == pytest.approx(np.exp(-5))
    assert mixture_rise(0.15) == pytest.approx(np.exp(-1.25))
    assert mixture_rise(0.3) == mixture_rise(1.0) == 1


def test_the_mixture_s_term_pulls_a_network_without_labels_towards_classes_of_one_intensity():
    batch = batch_of(sliced(labelled=False))
    assert (batch.targets == -1).all()
    lesion = torch.from_numpy(case(0).labels[1:3] == 2)
    generator = torch.Generator().manual_seed(0)
    logits = (0.1 * torch.randn(2, 2, 32, 32, generator=generator)).requires_grad_()
    with torch.no_grad():
        logits[:, 1] += 0.5 * lesion
    # The second channel alone tells the lesion.
    optimiser = torch.optim.Adam([logits], lr=0.1)
    first = None
    for _ in range(200):
        loss, terms = objective(mixture_weight=1.0)(logits, batch, batch.images[:, 1:], 1.0)
        first = first if first is not None else terms["mixture"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert terms["mixture"] < first - 0.3
    found = logits.softmax(1)[:, 1]
    assert found[lesion].min() > 0.99
    assert found[batch.foreground & ~lesion].mean() < 0.3


def test_the_mixture_s_term_is_the_likelihood_by_hand():
    log_prior = torch.tensor([[[[0.9, 0.8, 0.1, 0.3]], [[0.1, 0.2, 0.9, 0.7]]]], dtype=torch.float64).log()
    images = torch.tensor([[[[0.1, -0.2, 2.0, 1.5]]]], dtype=torch.float64)
    head = torch.ones(1, 1, 4, dtype=torch.bool)
    w, x = log_prior.exp()[0, :, 0], images[0, 0, 0]
    mean = (w * x).sum(1) / w.sum(1)
    variance = (w * (x - mean[:, None]) ** 2).sum(1) / w.sum(1)
    density = torch.exp(-0.5 * (x - mean[:, None]) ** 2 / variance[:, None]) / (2 * np.pi * variance[:, None]).sqrt()
    expected = -(w * density).sum(0).log().mean()
    torch.testing.assert_close(mixture_nll(log_prior, images, head), expected, rtol=0.01, atol=0.01)


def test_rare_classes_count_more_and_the_mean_weight_is_one():
    held = [sliced(0), sliced(1)]
    weights = class_weights(held, 2, balanced=True)
    shares = np.bincount(np.concatenate([h.targets.ravel() for h in held]), minlength=2) / (2 * 4 * 32 * 32)
    assert float(weights[1] / weights[0]) == pytest.approx((shares[0] / shares[1]) ** 0.5, rel=1e-4)
    assert float((weights.numpy() * shares).sum()) == pytest.approx(1, abs=1e-5)
    assert torch.equal(class_weights(held, 2, balanced=False), torch.ones(2))


def test_class_weights_reach_the_cross_entropy():
    batch = batch_of(sliced())
    logits, weights = logits_of(batch), torch.tensor([0.5, 4.0])
    _, terms = Objective(config(balance="weights"), weights)(logits, batch, batch.images, 0.0)
    expected = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="none") * weights[batch.targets]
    torch.testing.assert_close(terms["cross-entropy"], expected.mean())


def test_weights_of_rare_classes_balance_between_slices_with_and_without_an_object():
    batch = batch_of(sliced(), (0, 1))
    assert not (batch.targets[0] == 1).any()
    weights = torch.tensor([0.5, 4.0])
    logits = torch.zeros(2, 2, 32, 32, requires_grad=True)
    loss, _ = Objective(config(balance="weights", dice_weight=0), weights)(logits, batch, batch.images, 0.0)
    loss.backward()
    pull = logits.grad.abs().flatten(1).sum(1)
    share = float((batch.targets[1] == 1).float().mean())
    assert float(pull[1] / pull[0]) == pytest.approx((0.5 * (1 - share) + 4.0 * share) / 0.5, rel=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"outlier_inner": 8},
        {"outlier_inner": 21},
        {"cross_entropy_weight": 0.0, "dice_weight": 0.0},
        {"validation_share": 0.6, "test_share": 0.4},
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings):
    with pytest.raises(SettingsError):
        TrainingConfig(**settings)


def test_a_batch_goes_to_a_device_whole():
    batch = batch_of(sliced()).to(torch.device("cpu"))
    assert isinstance(batch, Batch)
