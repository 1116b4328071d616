"""Fits of images with a bias field: what is corrected, told and kept, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from tests.fitting.conftest import mean_dice
from tests.fitting.live_runs import FAST, LiveCase, first_of, same_bits, slab_case, slice_case
from tests.fitting.test_state import check_resumed

from napari_gmmseg.config import PreparationConfig, recorded_config
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting import shading
from napari_gmmseg.fitting.editing import edited_labels
from napari_gmmseg.io.sample import load_sample_labels, load_sample_maps
from napari_gmmseg.mixture.bias_field import search_bias_field
from napari_gmmseg.preparation import prepare
from napari_gmmseg.session.class_edits import adjust_classes, split_class
from napari_gmmseg.volumes import Adjust, Look, Retune, SaveState, Segmentation, Stop, Volume


def factor(shape: tuple[int, ...]) -> np.ndarray:
    """Shading of about 40 % inside a head."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape), indexing="ij")
    raw = 0.6 * x + 0.4 * y + 0.5 * y * z - 0.7 * z**2
    return (1 + 0.38 * (2 * (raw - raw.min()) / np.ptp(raw) - 1)).astype(np.float32)


def shaded(case: LiveCase) -> LiveCase:
    data = case.volume.data * factor(case.truth.shape)
    volume = replace(case.volume, data=data)
    prepared = prepare(volume, PreparationConfig(mask="given"), mask=case.truth > 0, preset=case.preset)
    return replace(case, volume=volume, prepared=prepared, bias_field="auto")


@lru_cache(maxsize=1)
def brain() -> LiveCase:
    """A brain mixed from the sample's maps, so without any shading, with a little noise."""
    truth = np.array(load_sample_labels("brain").labels)
    mixed = np.tensordot((0.4, 0.75, 1.0), load_sample_maps().data, axes=1)
    image = np.where(truth > 0, mixed, 0) + np.random.default_rng(0).normal(0, 0.03, truth.shape)
    case = slice_case()
    volume = Volume.from_array(image.astype(np.float32), (2.0, 2.0, 2.0), ("t1",))
    prepared = prepare(volume, PreparationConfig(mask="given"), mask=truth > 0, preset=case.preset)
    return LiveCase(volume, truth, prepared, case.preset, "auto")


def same_field(one: Segmentation, other: Segmentation) -> bool:
    assert one.bias_field is not None
    assert other.bias_field is not None
    return bool(np.array_equal(one.bias_field.coefficients, other.bias_field.coefficients))


def dice(case: LiveCase, **settings: Any) -> float:
    return mean_dice(case.run(**settings).result.label_map.labels, case.truth)


@pytest.mark.parametrize("method", ["gmm", "svgmm", "spatial"])
def test_shading_costs_little_where_it_is_corrected(method: str) -> None:
    dark = shaded(brain())
    plain = dice(brain(), method=method, bias_field="off")
    assert dice(dark, method=method, bias_field="off") < plain - 0.06
    assert dice(dark, method=method) > plain - 0.03


def test_without_bias_auto_gives_the_bits_of_off() -> None:
    auto, off = (brain().run(method="spatial", bias_field=setting).result for setting in ("auto", "off"))
    assert auto.bias_field is None
    assert auto.provenance["bias_field"] is None
    assert same_bits(auto, off)
    assert "bias-field" not in {finding.code for finding in auto.findings}


def test_off_looks_for_no_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shading, "search_bias_field", None)
    result = shaded(slab_case()).run(method="gmm", bias_field="off").result
    assert result.bias_field is None


def test_the_field_is_told_kept_and_left_in_the_provenance() -> None:
    case = shaded(brain())
    result = case.run(method="spatial").result
    field = result.bias_field
    assert field is not None
    assert result.provenance["bias_field"] == field.told()
    (told,) = [finding for finding in result.findings if finding.code == "bias-field"]
    assert told.message == f"A bias field of ±{field.percent[0]:.0f} % was corrected."
    assert told.severity == "note"
    inside = case.truth > 0
    found, true = np.log(field.whole(case.truth.shape)[0][inside]), np.log(factor(case.truth.shape)[inside])
    assert np.corrcoef(found, true)[0, 1] > 0.9


@pytest.mark.parametrize("method", ["deepg", "deepsvg", "blindspot", "auto"])
def test_deep_fits_work_on_the_corrected_image(method: str) -> None:
    case = shaded(slab_case())
    corrected = case.run(method=method, bias_field="on", **FAST).result
    field = corrected.bias_field
    assert field is not None
    # The same as a fit of the image that was divided by the field beforehand.
    divided = replace(case.volume, data=case.volume.data / field.whole(case.truth.shape))
    other = replace(case, volume=divided).run(method=method, bias_field="off", **FAST).result
    np.testing.assert_allclose(corrected.mixture.means, other.mixture.means, rtol=1e-3)
    assert (corrected.label_map.labels == other.label_map.labels).mean() > 0.99
    if corrected.base is not None:
        assert corrected.base.bias_field is field


def test_channels_are_named_where_there_are_several() -> None:
    case = shaded(slice_case(2, 0.03))
    result = case.run(method="spatial", bias_field="on").result
    (told,) = [finding.message for finding in result.findings if finding.code == "bias-field"]
    assert " in T1, " in told
    assert " in T2 was corrected" in told


@pytest.mark.parametrize("method", ["auto", "blindspot"])
def test_a_corrected_fit_that_was_put_away_goes_on_with_the_same_bits(method: str) -> None:
    case = shaded(slab_case())
    settings = {"method": method, "bias_field": "on", **FAST, "width": 2, "depth": 1}
    warm = first_of(case.run(**settings).reports, "Network learns the spatial mixture")
    check_resumed(case, {warm + 1: SaveState(), warm + 9: SaveState()}, **settings)


def test_a_state_goes_on_with_its_field_and_looks_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    case = shaded(slab_case())
    script = {8: SaveState()}
    whole = case.run(script, method="blindspot", bias_field="on", **FAST, view="2d")
    state = next(iter(whole.states), None)
    if state is None:
        script = {first_of(whole.reports, "Network learns the spatial mixture") + 2: SaveState()}
        whole = case.run(script, method="blindspot", bias_field="on", **FAST, view="2d")
        state = whole.states[0]
    monkeypatch.setattr(shading, "search_bias_field", None)
    assert same_bits(case.run(state=state).result, whole.result)


def test_a_change_of_k_keeps_the_field_and_another_setting_begins_anew() -> None:
    case = shaded(slab_case())
    changed = case.run({2: Retune({"n_classes": 4})}, method="spatial", bias_field="on").result
    assert changed.bias_field is not None
    assert len(changed.label_map.classes) == 4
    without = case.run({2: Retune({"bias_field": "off"})}, method="spatial", bias_field="on").result
    assert without.bias_field is None
    assert same_bits(without, case.run(method="spatial", bias_field="off").result)


def test_the_first_look_comes_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []

    def search(*args: Any, **options: Any) -> Any:
        searched.append(options)
        return (yield from search_bias_field(*args, **options))

    monkeypatch.setattr(shading, "search_bias_field", search)
    steps = shaded(brain()).begin(method="spatial")
    first = next(steps)
    assert (first.phase, first.step) == (shading.BIAS_FIELD, 0)
    assert first.preview is not None
    assert set(np.unique(first.preview)) == {0, 1, 2, 3}
    assert not searched
    second = next(steps)
    assert (second.phase, second.step, second.n_steps) == (shading.BIAS_FIELD, 1, 7)
    assert searched
    steps.close()


def test_the_search_tells_its_steps_and_ends_with_the_last() -> None:
    reports = shaded(brain()).run(method="gmm").reports
    told = [report for report in reports if report.phase == shading.BIAS_FIELD]
    # Blocks of one voxel, as here, are given no softer field: one step less.
    assert [report.step for report in told] == [0, 1, 2, 3, 4, 5, 7]
    assert {report.n_steps for report in told} == {7}
    assert reports[len(told)].phase == "Gaussian mixture"


def test_off_and_auto_without_a_head_tell_of_no_search() -> None:
    run = slab_case().run(method="gmm", bias_field="off")
    assert {report.phase for report in run.reports} == {"Gaussian mixture"}


def test_stop_and_look_are_heard() -> None:
    case = shaded(slab_case())
    whole = case.run(method="spatial", bias_field="on")
    begun = first_of(whole.reports, "Spatial mixture")
    stopped = case.run({begun: Look(36), begun + 1: Stop()}, method="spatial", bias_field="on").result
    assert stopped.stopped
    assert same_field(stopped, whole.result)


@pytest.mark.parametrize("method", ["gmm", "spatial", "auto"])
def test_stop_gives_the_search_up_and_says_so(method: str) -> None:
    result = shaded(brain()).run({3: Stop()}, method=method).result
    assert result.stopped
    assert result.bias_field is None
    (told,) = [finding for finding in result.findings if finding.code == "bias-field-given-up"]
    assert "stopped" in told.message
    assert set(np.unique(result.label_map.labels)) == {0, 1, 2, 3}


def test_changes_are_taken_up_during_the_search() -> None:
    case = shaded(brain())
    run = case.run({3: Retune({"n_classes": 4})}, method="spatial")
    assert run.reports[3].phase == shading.BIAS_FIELD
    assert run.reports[3].preview is not None
    assert len(run.reports[3].classes) == 4
    assert len(run.result.label_map.classes) == 4
    assert same_field(run.result, case.run(method="spatial").result)


@pytest.mark.parametrize("after", [2, 7])
def test_what_cannot_be_changed_is_refused_during_the_search_and_at_its_end(after: int) -> None:
    run = shaded(brain()).run({after: Adjust(means={1: (0.4, 0.5)})}, method="spatial")
    assert run.reports[after].refused is not None
    assert run.reports[after].phase == shading.BIAS_FIELD
    assert run.result.bias_field is not None


def test_a_fit_that_goes_on_from_a_result_keeps_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    case = shaded(slab_case())
    first = case.run(method="spatial", bias_field="on").result
    monkeypatch.setattr(shading, "search_bias_field", None)
    again = case.run(method="spatial", bias_field="on", start=first).result
    assert again.bias_field == first.bias_field
    assert case.run(method="spatial", bias_field="off", start=first).result.bias_field is None


def test_a_result_without_a_look_for_a_field_gets_one() -> None:
    case = shaded(slab_case())
    first = case.run(method="spatial", bias_field="off").result
    assert case.run(method="spatial", bias_field="on", start=first).result.bias_field is not None


def test_what_is_smaller_than_a_head_is_left_alone_unless_wanted() -> None:
    case = shaded(slab_case())
    small = np.zeros_like(case.truth)
    small[:, 30:75, 20:60] = case.truth[:, 30:75, 20:60]
    prepared = prepare(case.volume, PreparationConfig(mask="given"), mask=small > 0, preset=case.preset)
    cut = replace(case, prepared=prepared)
    assert cut.run(method="gmm").result.bias_field is None
    assert cut.run(method="gmm", bias_field="on").result.bias_field is not None


def test_on_refuses_what_is_no_product() -> None:
    case = slab_case()
    low = replace(case, volume=replace(case.volume, data=case.volume.data - 0.6))
    with pytest.raises(SettingsError, match="factor"):
        low.run(method="gmm", bias_field="on")
    assert low.run(method="gmm").result.bias_field is None


def test_edits_of_classes_see_the_corrected_image() -> None:
    case = shaded(slab_case())
    result = case.run(method="spatial", bias_field="on").result
    np.testing.assert_array_equal(edited_labels(case.volume, result, result.mixture), result.label_map.labels)
    same = adjust_classes(case.volume, result, {1: tuple(result.mixture.means[0])}, {})
    assert same.log_likelihood == pytest.approx(result.log_likelihood, abs=1e-4)
    assert same.bias_field is result.bias_field
    halves = split_class(case.volume, result, 3)
    assert halves.bias_field is result.bias_field
    raw = split_class(case.volume, replace(result, bias_field=None), 3)
    assert halves.log_likelihood > raw.log_likelihood


def test_settings_of_older_records_have_no_field() -> None:
    assert recorded_config({"method": "gmm"}).bias_field == "off"
    assert recorded_config({"bias_field": "on"}).bias_field == "on"
