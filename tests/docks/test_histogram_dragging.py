"""What becomes of a Gaussian that is dragged, of the plane that is shown meanwhile, and of the session."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
from tests.docks.histogram_sessions import GRID, GivenFit, HistogramCase, Make, make_cases, show_session

from napari_gmmseg.docks.histogram import wording


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Generator[Make]:
    yield from make_cases(monkeypatch)


@pytest.fixture
def case(make: Make) -> HistogramCase:
    made = make()
    made.settle()
    return made


def labels_now(case: HistogramCase) -> np.ndarray:
    assert case.layer is not None
    return np.array(case.layer.data)


def mean_of(case: HistogramCase, k: int) -> tuple[float, ...]:
    assert case.session.mixture is not None
    return tuple(float(v) for v in case.session.mixture.class_means()[k])


def shown_slice(case: HistogramCase) -> int:
    return int(case.viewer.layers[-1].world_to_data(case.viewer.dims.point)[0].round())


def test_the_shown_slice_follows_a_drag_and_the_others_do_not(case: HistogramCase):
    before = labels_now(case)
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (35.0,))
    now = labels_now(case)
    changed = {int(z) for z in np.unique(np.nonzero(now != before)[0])}
    assert changed == {shown_slice(case)}
    z = shown_slice(case)
    assert np.array_equal(now[z], case.session.adjusted_labels({2: (35.0,)}, {}, plane=(z,)))


def test_a_curve_follows_a_drag(case: HistogramCase):
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (47.0,))
    case.presenter.drag(2, "std", (9.0,))
    second = case.view.curves.classes[1]
    assert (second.mean, second.std) == ((47.0,), (9.0,))


def test_the_session_and_its_volume_follow_when_it_is_let_go(case: HistogramCase):
    case.presenter.begin_drag(2)
    for mean in (55.0, 50.0, 45.0):
        case.presenter.drag(2, "mean", (mean,))
    assert mean_of(case, 1) == (60.0,)
    case.presenter.end_drag(2)
    case.settle()
    assert mean_of(case, 1) == (45.0,)
    assert case.session.result is not None
    assert case.view.curves.classes[1].mean == (45.0,)


def test_a_drag_is_one_entry_for_undo(case: HistogramCase):
    before = case.session.result
    case.presenter.begin_drag(2)
    for mean in (55.0, 50.0, 45.0):
        case.presenter.drag(2, "mean", (mean,))
    case.presenter.end_drag(2)
    case.settle()
    case.session.undo()
    case.settle()
    assert case.session.result is before
    assert case.view.curves.classes[1].mean == (60.0,)


def test_a_curve_stays_where_it_was_let_go_until_the_session_has_it(case: HistogramCase):
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (45.0,))
    case.presenter.end_drag(2)
    assert case.session.editing
    case.presenter.refresh()
    assert case.view.curves.classes[1].mean == (45.0,)
    case.settle()


def test_a_second_drag_goes_on_from_a_first_that_is_still_worked_out(case: HistogramCase):
    for value, mean in ((2, 45.0), (3, 75.0)):
        case.presenter.begin_drag(value)
        case.presenter.drag(value, "mean", (mean,))
        if value == 2:
            case.presenter.end_drag(value)
    z = shown_slice(case)
    wanted = case.session.adjusted_labels({2: (45.0,), 3: (75.0,)}, {}, plane=(z,))
    assert np.array_equal(labels_now(case)[z], wanted)
    case.presenter.end_drag(3)
    case.settle()
    assert (mean_of(case, 1), mean_of(case, 2)) == ((45.0,), (75.0,))


def test_the_layer_holds_what_it_held_when_a_drag_ends(case: HistogramCase):
    before = labels_now(case)
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (35.0,))
    case.presenter.end_drag(2)
    assert np.array_equal(labels_now(case), before)
    case.settle()


def test_what_a_person_painted_stays_during_a_drag(case: HistogramCase):
    z = shown_slice(case)
    assert case.layer is not None
    case.layer.data[z, 3:6, 9:12] = 1
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (35.0,))
    assert (labels_now(case)[z, 3:6, 9:12] == 1).all()


def test_a_mean_is_not_dragged_off_the_axis(case: HistogramCase):
    assert case.view.drawn is not None
    (axis,) = case.view.drawn.histogram.axes
    case.presenter.begin_drag(3)
    case.presenter.drag(3, "mean", (1e6,))
    assert case.view.curves.classes[2].mean == (axis.high,)


def test_a_width_is_not_dragged_to_nothing(case: HistogramCase):
    case.presenter.begin_drag(3)
    case.presenter.drag(3, "std", (0.0,))
    assert case.view.curves.classes[2].std[0] > 0


def test_a_click_without_a_move_changes_nothing(case: HistogramCase):
    before, result = labels_now(case), case.session.result
    case.presenter.begin_drag(2)
    case.presenter.end_drag(2)
    case.settle()
    assert np.array_equal(labels_now(case), before)
    assert case.session.result is result
    assert case.session.can_undo == "Segmentation"


def test_numbers_are_set_exactly(case: HistogramCase):
    case.presenter.set_number(1, "mean", (31.25,))
    case.presenter.set_number(1, "std", (4.5,))
    case.settle()
    first = case.view.curves.classes[0]
    assert (first.mean, first.std) == (pytest.approx((31.25,)), pytest.approx((4.5,)))
    assert mean_of(case, 0) == pytest.approx((31.25,))


def test_a_width_of_nothing_is_refused_with_a_sentence(case: HistogramCase):
    case.presenter.set_number(1, "std", (0.0,))
    case.settle()
    assert "width above 0" in case.view.messages[0].text
    assert case.view.curves.classes[0].std == pytest.approx((5.0,))


def test_a_lock_goes_to_the_session_and_is_shown(case: HistogramCase):
    case.presenter.set_lock(2, True)
    case.settle()
    assert case.session.locked == {2}
    assert [c.locked for c in case.view.curves.classes] == [False, True, False]
    case.presenter.set_lock(2, False)
    case.settle()
    assert not case.session.locked


def test_a_centre_is_dragged_in_two_channels(make: Make):
    case = make(n_channels=2)
    case.presenter.choose_channels((0, 1))
    case.settle()
    case.presenter.begin_drag(1)
    case.presenter.drag(1, "mean", (35.0, 80.0))
    case.presenter.end_drag(1)
    case.settle()
    assert mean_of(case, 0) == pytest.approx((35.0, 80.0))


def test_a_drag_in_one_channel_leaves_the_other_as_it_is(make: Make):
    case = make(n_channels=2)
    case.presenter.choose_channels((1,))
    case.settle()
    case.presenter.begin_drag(1)
    case.presenter.drag(1, "mean", (80.0,))
    case.presenter.end_drag(1)
    case.settle()
    assert mean_of(case, 0) == pytest.approx((30.0, 80.0))


def test_a_drag_during_a_fit_is_told_to_the_fit(make: Make):
    fit = GivenFit(waits=True)
    case = make(fit)

    def shown() -> bool:
        case.session.poll()
        return len(case.view.curves.classes) == 3

    case.settle(shown)
    before = labels_now(case)
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (45.0,))
    case.presenter.end_drag(2)
    assert np.array_equal(labels_now(case), before)
    case.settle(lambda: bool(fit.adjusts))
    assert fit.adjusts[-1].means == {2: (45.0,)}
    fit.gate.set()


def test_a_drag_without_a_layer_moves_the_curve_alone(make: Make):
    case = make(shows=False)
    case.settle()
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (45.0,))
    assert case.view.curves.classes[1].mean == (45.0,)


def test_a_layer_of_another_shape_is_left_alone(make: Make):
    case = make()
    assert case.layer is not None
    case.layer.data = np.zeros((2, 3, 4), dtype=np.uint8)
    case.settle()
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (45.0,))
    assert not labels_now(case).any()


def test_a_part_of_the_joint_histogram_selects_its_voxels(make: Make):
    case = make(n_channels=2)
    case.presenter.choose_channels((0, 1))
    case.settle()
    bright = np.array([(75.0, 0.0), (200.0, 0.0), (200.0, 45.0), (75.0, 45.0)])
    case.presenter.select(bright)
    case.settle()
    layer = case.viewer.layers[-1]
    assert case.session.result is not None
    data = make_selected(case)
    assert np.array_equal(np.asarray(layer.data) > 0, data)
    assert case.view.selected.startswith(f"{data.sum():,} voxels selected")
    assert (layer.scale == case.layer.scale).all()  # type: ignore[union-attr]


def make_selected(case: HistogramCase) -> np.ndarray:
    assert case.session.request is not None
    first, second = case.session.request.volume.data
    mask = np.ones(GRID, dtype=bool)
    mask[:, :2] = False
    return mask & (first > 75) & (second > 0) & (second < 45)


def test_a_second_selection_takes_the_place_of_the_first(make: Make):
    case = make(n_channels=2)
    case.presenter.choose_channels((0, 1))
    case.settle()
    whole = np.array([(-500.0, -500.0), (500.0, -500.0), (500.0, 500.0), (-500.0, 500.0)])
    case.presenter.select(whole)
    case.settle()
    n = len(case.viewer.layers)
    case.presenter.select(whole + 5000)
    case.settle()
    assert len(case.viewer.layers) == n
    assert not np.any(case.viewer.layers[-1].data)
    assert case.view.selected == "No voxel has these intensities."


def test_a_selection_without_a_layer_says_so(make: Make):
    case = make(n_channels=2, shows=False)
    case.presenter.choose_channels((0, 1))
    case.settle()
    case.presenter.select(np.array([(0.0, 0.0), (50.0, 0.0), (50.0, 50.0)]))
    case.settle()
    assert case.view.messages == [wording.NO_PLACE]


def test_the_newest_layer_of_the_result_is_painted_on(case: HistogramCase):
    newest = show_session(case.viewer, case.session)
    old = labels_now(case)
    case.presenter.begin_drag(2)
    case.presenter.drag(2, "mean", (35.0,))
    assert np.array_equal(labels_now(case), old)
    assert not np.array_equal(newest.data, old)
