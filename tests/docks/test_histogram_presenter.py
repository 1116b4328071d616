"""What the Histogram dock counts and draws."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import trapezoid
from tests.docks.histogram_sessions import GRID, GivenFit, HistogramCase, Make, make_cases, make_result, make_volume

from napari_gmmseg.docks.histogram import wording
from napari_gmmseg.session import Session
from napari_gmmseg.volumes import FitReport
from napari_gmmseg.volumes.bias_field import BiasField

#: Voxels of a slice within the mask.
IN_SLICE = (GRID[1] - 2) * GRID[2]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Generator[Make]:
    yield from make_cases(monkeypatch)


def counted(case: HistogramCase) -> int:
    assert case.view.drawn is not None
    return case.view.drawn.histogram.n_voxels


def test_an_empty_session_says_what_to_do():
    case = HistogramCase(Session(), shows=False)
    case.settle()
    assert case.view.messages == [wording.NOTHING]
    assert case.view.drawn is None
    case.end()


def test_the_shown_slice_is_counted_within_the_mask(make: Make):
    case = make()
    case.settle()
    assert counted(case) == IN_SLICE
    assert case.view.drawn is not None
    assert case.view.drawn.names == ("T1",)
    assert case.view.drawn.histogram.counts.sum() <= IN_SLICE


def test_another_slice_is_counted_when_the_slider_moves(make: Make):
    case = make()
    case.settle()
    before = case.view.drawn
    asked = case.view.asked
    case.viewer.dims.set_current_step(0, 2)
    assert case.view.asked > asked
    case.settle()
    assert before is not None
    assert case.view.drawn is not None
    assert not np.array_equal(case.view.drawn.histogram.counts, before.histogram.counts)


def test_a_plane_across_the_slices_is_counted_as_it_is_shown(make: Make):
    case = make()
    case.viewer.dims.order = (1, 0, 2)
    case.viewer.dims.set_current_step(1, 8)
    case.settle()
    assert counted(case) == GRID[0] * GRID[2]


def test_the_volume_is_counted_where_it_is_chosen(make: Make):
    case = make()
    case.settle()
    case.presenter.choose_region("volume")
    case.settle(lambda: counted(case) == GRID[0] * IN_SLICE)


def test_the_volume_is_counted_where_it_is_shown_in_three_dimensions(make: Make):
    case = make()
    case.settle()
    case.viewer.dims.ndisplay = 3
    case.settle(lambda: counted(case) == GRID[0] * IN_SLICE)


def test_the_voxels_of_a_labels_layer_are_counted_where_it_is_chosen(make: Make):
    case = make()
    assert case.layer is not None
    painted = np.zeros(GRID, dtype=np.uint8)
    painted[2, 4:6, :3] = 7
    case.viewer.add_labels(
        painted, name="lesion", scale=case.layer.scale, translate=case.layer.translate, units=case.layer.units
    )
    (key,) = [key for key, name in case.presenter.offer.regions if name == "In lesion"]
    case.presenter.choose_region(key)
    case.settle(lambda: case.view.drawn is not None and counted(case) == 6)


def test_the_shown_slice_is_counted_again_when_the_layer_of_a_region_is_removed(make: Make):
    case = make()
    layer = case.viewer.add_labels(np.ones(GRID, dtype=np.uint8), name="all")
    case.presenter.choose_region(f"layer {id(layer)}")
    case.settle()
    case.viewer.layers.remove(layer)
    case.settle()
    assert case.view.offer.region == "slice"
    assert counted(case) == IN_SLICE


def test_a_result_is_no_region_of_its_own(make: Make):
    case = make()
    case.settle()
    assert [name for _, name in case.view.offer.regions] == ["Shown slice", "Volume"]


def test_the_area_under_the_sum_is_the_number_of_voxels(make: Make):
    case = make()
    case.settle()
    curves, drawn = case.view.curves, case.view.drawn
    assert drawn is not None
    assert curves.total is not None
    area = trapezoid(curves.total, curves.at) / drawn.histogram.axes[0].width
    assert area == pytest.approx(IN_SLICE, rel=0.02)


def test_a_class_is_as_high_as_its_share_of_the_slice(make: Make):
    case = make()
    case.settle()
    curves = case.view.curves
    areas = [trapezoid(c.line, curves.at) for c in curves.classes]
    shares = [p[1, 2:].mean() for p in make_result(case.session.request.volume).probabilities]  # type: ignore[union-attr]
    assert np.array(areas) / sum(areas) == pytest.approx(np.array(shares) / sum(shares), rel=0.02)


def test_two_channels_can_be_counted_together(make: Make):
    case = make(n_channels=2)
    case.settle()
    assert [name for _, name in case.view.offer.channels] == ["T1", "T2", "T1 × T2"]
    case.presenter.choose_channels((0, 1))
    case.settle()
    assert case.view.drawn is not None
    assert case.view.drawn.histogram.counts.ndim == 2
    first = case.view.curves.classes[0]
    assert first.mean == (30.0, 90.0)
    around = first.line[np.isfinite(first.line).all(axis=1)] - first.mean
    distances = np.linalg.norm(around / first.std, axis=1)
    assert np.sort(np.unique(distances.round(6))) == pytest.approx([1.0, 2.0])


def test_the_gaussians_of_a_run_are_shown_before_it_has_a_result(make: Make):
    fit = GivenFit(waits=True)
    case = make(fit)

    def shown() -> bool:
        case.session.poll()
        return len(case.view.curves.classes) == 3

    case.settle(shown)
    assert case.view.polling
    fit.gate.set()


def test_a_run_that_has_no_gaussians_yet_says_so(make: Make):
    fit = GivenFit([FitReport("Reading", 0, 0)], waits=True)
    case = make(fit)
    case.settle(lambda: case.view.drawn is not None)
    assert case.view.messages == [wording.NO_CLASSES]
    fit.gate.set()


def test_a_slice_beside_the_mask_says_so(make: Make):
    case = make()
    case.viewer.dims.order = (1, 0, 2)
    case.viewer.dims.set_current_step(1, GRID[1] - 1)
    case.settle()
    assert case.view.messages == [wording.NO_VOXELS]


def test_colours_go_with_the_theme(make: Make):
    case = make()
    assert case.view.colours is not None
    assert case.view.colours.dark
    case.viewer.theme = "light"
    assert not case.view.colours.dark


def test_nothing_listens_after_the_end(make: Make):
    case = make()
    case.settle()
    case.presenter.shut_down()
    asked = case.view.asked
    case.viewer.dims.set_current_step(0, 3)
    case.viewer.theme = "light"
    case.session.lock(1, True)
    assert case.view.asked == asked


def test_another_image_is_counted_anew(make: Make):
    case = make(n_channels=2)
    case.presenter.choose_channels((0, 1))
    case.settle()
    assert case.session.request is not None
    case.session.open(replace(case.session.request, volume=make_volume(1)))
    case.settle(lambda: case.view.drawn is not None and case.view.drawn.names == ("T1",))
    assert case.view.messages == [wording.NOT_RUN]


SQUARE = np.array([(0.0, 0.0), (200.0, 0.0), (200.0, 200.0), (0.0, 200.0)])


@pytest.mark.parametrize("lost", ["layer", "image"])
def test_nothing_is_said_of_a_selection_that_is_lost(make: Make, lost: str):
    case = make(n_channels=2)
    case.presenter.choose_channels((0, 1))
    case.settle()
    case.presenter.select(SQUARE)
    case.settle(lambda: "selected" in case.view.selected)
    if lost == "layer":
        case.viewer.layers.remove(case.viewer.layers[-1])
    else:
        assert case.session.request is not None
        case.session.open(replace(case.session.request, volume=make_volume(2)))
    case.settle()
    assert case.view.selected == ""


def test_intensities_are_counted_as_the_classes_see_them_without_the_bias_field(make: Make):
    coefficients = np.zeros((1, 1, 1, 2))
    coefficients[..., 1] = 0.3
    field = BiasField(coefficients, (0, 0, 0), GRID, (30.0,))
    case = make()
    case.settle()
    plain = case.view.drawn
    assert plain is not None
    result = case.session.result
    assert result is not None
    shaded = make(GivenFit(of=lambda volume: replace(make_result(volume), bias_field=field)))
    shaded.presenter.choose_region("volume")
    shaded.settle(lambda: shaded.view.drawn is not None and counted(shaded) == GRID[0] * IN_SLICE)
    drawn = shaded.view.drawn
    assert drawn is not None
    assert drawn.names == ("T1 without bias",)
    (axis,) = drawn.histogram.axes
    seen = (make_volume().data / field.whole(GRID))[0][result.mask]
    np.testing.assert_array_equal(drawn.histogram.counts, np.histogram(seen, axis.edges)[0])
    assert plain.names == ("T1",)
    assert not np.array_equal(plain.histogram.axes[0].edges, axis.edges)
