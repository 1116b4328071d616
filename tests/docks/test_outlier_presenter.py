"""What the Outlier dock shows, and what it does."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
from tests.docks.outlier_cases import BRIGHT, DARK, LARGE, SHAPE, SMALL, OutlierCase, fit
from tests.session.gates import rest

from napari_gmmseg.docks.outlier.sheet import GONE
from napari_gmmseg.docks.outlier.shown import NO_PLANE, NO_RESULT
from napari_gmmseg.fitting.cleaning import outlier_map
from napari_gmmseg.session import Session
from napari_gmmseg.session.islands import FOR_SIZE, windows_for


@pytest.fixture
def case() -> Generator[OutlierCase]:
    session = Session()
    fit(session)
    made = OutlierCase(session)
    made.settle()
    yield made
    made.end()


def slice_of(layer, z: int) -> np.ndarray:
    """The slice of the volume that a layer holds."""
    return np.asarray(layer.data)[z]


def z_shown(case: OutlierCase) -> int:
    return round(float(case.viewer.layers[0].world_to_data(case.viewer.dims.point)[0]))


def test_without_a_result_it_says_what_to_do():
    made = OutlierCase(Session(), shows=False)
    made.settle()
    assert made.view.messages == [NO_RESULT]
    assert not made.view.shown.has_result
    assert made.heat is None
    made.end()


def test_the_heat_map_is_there_at_once_and_is_the_score_of_the_volume(case):
    case.presenter.choose_windows(3, 9)
    case.settle()
    z = z_shown(case)
    result = case.session.result
    score = outlier_map(result, windows_for(3, 9, result.label_map))[z]
    shown = slice_of(case.heat, z)
    assert (score > 0).sum() == 4
    np.testing.assert_array_equal(shown[score > 0], np.maximum(score, FOR_SIZE)[score > 0])
    assert not shown[score == 0].any()


def test_it_follows_each_move_before_anything_else_is_worked_out(case):
    before = slice_of(case.heat, z_shown(case)).copy()
    case.presenter.choose_length(7)
    after = slice_of(case.heat, z_shown(case))
    assert (after > 0).sum() > (before > 0).sum()
    assert case.view.numbers.length == "7 mm"
    assert (case.view.numbers.inner, case.view.numbers.outer) == (7, 21)
    assert case.view.polling


def test_it_follows_the_slice(case):
    case.viewer.dims.set_current_step(0, 1)
    case.settle()
    assert not slice_of(case.heat, z_shown(case)).any()
    case.viewer.dims.order = (1, 0, 2)
    case.viewer.dims.set_current_step(1, SHAPE[1] - 1 - SMALL[0][1])
    case.settle()
    row = round(float(case.viewer.layers[0].world_to_data(case.viewer.dims.point)[1]))
    assert (np.asarray(case.heat.data)[:, row] > 0).any() == (row in (8, 9))


def test_what_would_go_is_told_per_class_in_ml_before_it_goes(case):
    assert case.lost() == {DARK: "0 ml", BRIGHT: "0.016 ml"}
    assert case.view.shown.sentence == "0.016 ml would go to the classes around."
    assert case.view.shown.can_clean
    counts = case.session.result.label_map.counts()
    case.presenter.clean()
    rest(case.session)
    case.settle()
    assert case.session.result.label_map.counts()[BRIGHT] == counts[BRIGHT] - 8
    assert case.lost()[BRIGHT] == "0 ml"
    assert not case.view.shown.can_clean
    assert case.view.shown.undo == "Remove islands smaller than 3 mm"
    case.presenter.press("undo")
    case.settle()
    assert case.lost()[BRIGHT] == "0.016 ml"


def test_nothing_goes_where_the_slider_is_at_its_beginning(case):
    case.presenter.choose_length(1)
    case.settle()
    assert case.view.numbers.length == "none"
    assert case.view.shown.sentence == "Nothing would go."
    assert case.view.shown.islands == ()


def test_islands_are_listed_largest_first_and_one_goes_to_them(case):
    case.presenter.choose_length(7)
    case.settle()
    assert [line.size for line in case.view.shown.islands] == ["125 voxels, 250 mm³", "8 voxels, 16 mm³"]
    case.presenter.go(0)
    assert case.view.shown.islands[0].place == f"slice {case.viewer.dims.current_step[0]}"
    z, side = LARGE[0][0], LARGE[1]
    assert z <= z_shown(case) < z + side
    centre = np.array(case.viewer.scene.camera.center)[-2:]
    layer = case.viewer.layers[0]
    there = layer.world_to_data((case.viewer.dims.point[0], *centre))
    assert 26 <= there[1] < 31
    assert 6 <= there[2] < 11


def test_an_island_that_is_kept_is_listed_no_more_and_does_not_go(case):
    case.presenter.keep((0,))
    case.settle()
    assert case.view.shown.islands == ()
    assert case.lost()[BRIGHT] == "0 ml"
    assert not slice_of(case.heat, z_shown(case)).any()


def test_a_stroke_in_a_part_of_an_island_puts_its_heat_out(case):
    case.session.edit(np.array([SMALL[0]]), BRIGHT)
    case.settle()
    assert case.view.shown.islands == ()
    assert case.lost()[BRIGHT] == "0 ml"
    assert not slice_of(case.heat, z_shown(case)).any()
    case.presenter.choose_length(1)
    case.presenter.choose_length(7)
    case.settle()
    (_, y, x), side = LARGE
    assert slice_of(case.heat, z_shown(case))[y : y + side, x : x + side].any()


def test_an_island_that_is_removed_takes_the_class_around_it(case):
    case.presenter.remove((0,))
    case.settle()
    z, y, x = SMALL[0]
    assert case.session.result.label_map.labels[z, y, x] == DARK
    assert case.view.shown.undo.startswith("Remove an island of ")


def test_an_island_becomes_a_class(case):
    case.presenter.make_class((0,))
    case.settle()
    assert len(case.view.shown.losses) == 3
    z, y, x = SMALL[0]
    assert case.session.result.label_map.labels[z, y, x] not in (DARK, BRIGHT)


def test_a_class_that_is_unticked_loses_nothing(case):
    case.presenter.spare(BRIGHT, False)
    case.settle()
    assert case.view.shown.sentence == "Nothing would go."
    assert not slice_of(case.heat, z_shown(case)).any()
    assert [line.may_go for line in case.view.shown.losses] == [True, False]
    case.presenter.spare(BRIGHT, True)
    case.settle()
    assert case.lost()[BRIGHT] == "0.016 ml"


def test_windows_that_would_eat_thin_tissue_are_warned_about():
    session = Session()
    fit(session)
    made = OutlierCase(session)
    made.presenter.choose_windows(21, 25)
    made.settle()
    warned = [message for message in made.view.messages if message.severity == "warning"]
    assert [message.text.split(":")[0][-20:] for message in warned] == [f" of Class {k} would go" for k in (1, 2)]
    assert all("thin tissue" in message.text for message in warned)
    made.presenter.choose_windows(3, 9)
    made.settle()
    assert made.view.messages == []
    made.end()


def test_the_outer_window_stays_larger_than_the_inner_one(case):
    case.presenter.choose_windows(11, 9)
    assert (case.view.numbers.inner, case.view.numbers.outer) == (11, 13)
    case.presenter.choose_windows(11, 7)
    assert (case.view.numbers.inner, case.view.numbers.outer) == (5, 7)


def test_a_contact_sheet_shows_what_windows_take_and_a_cell_is_taken(case):
    case.presenter.compare()
    case.settle(lambda: bool(case.view.cells))
    assert len(case.view.cells) == 9
    cells = {(cell.inner, cell.outer): cell for cell in case.view.cells}
    small = (cells[3, 9].picture == GONE).all(-1).sum()
    large = (cells[7, 21].picture == GONE).all(-1).sum()
    assert 0 < small < large
    assert cells[3, 9].picture.shape == (40, 48, 3)
    case.presenter.take(7, 21)
    assert (case.view.numbers.inner, case.view.numbers.outer) == (7, 21)


def test_the_heat_map_can_be_taken_away_in_the_dock_and_in_the_list_of_layers(case):
    case.presenter.show_heat(False)
    case.settle()
    assert case.heat is None
    case.presenter.show_heat(True)
    case.settle()
    assert case.heat is not None
    case.viewer.layers.remove(case.heat)
    case.settle()
    assert case.heat is None
    assert not case.view.shown.heat


def test_it_says_where_no_slice_is_shown(case):
    case.viewer.layers.remove(next(layer for layer in case.viewer.layers if layer.name == "brain segmentation"))
    case.settle()
    assert NO_PLANE in case.view.messages


def test_without_a_weight_no_setting_is_touched(case):
    config = case.session.config
    case.presenter.choose_length(5)
    case.settle()
    assert case.session.config == config


def test_a_weight_makes_windows_settings_of_the_next_run_and_undo_is_followed(case):
    case.presenter.choose_loss(2.0, 0.3)
    case.presenter.choose_length(5)
    case.settle()
    config = case.session.config
    assert (config.outlier_weight, config.outlier_ramp) == (2.0, 0.3)
    assert (config.outlier_inner, config.outlier_outer, config.outlier_unit) == (5, 15, "voxels")
    assert not case.session.running
    case.presenter.press("undo")
    case.settle()
    assert case.view.numbers.inner == 3


def test_with_a_weight_the_slider_stays_at_its_beginning_and_the_loss_keeps_its_windows(case):
    case.presenter.choose_windows(5, 15)
    case.presenter.choose_loss(2.0, 0.3)
    case.settle()
    case.presenter.choose_length(1)
    case.settle()
    assert case.view.numbers.inner == 1
    assert case.view.shown.sentence == "Nothing would go."
    case.presenter.choose_loss(3.0, 0.3)
    case.settle()
    config = case.session.config
    assert (config.outlier_weight, config.outlier_inner, config.outlier_outer) == (3.0, 5, 15)
    assert case.view.numbers.inner == 1
    case.presenter.choose_length(7)
    case.settle()
    assert case.session.config.outlier_inner == 7


def test_a_network_that_learns_hears_new_windows_at_its_next_step():
    session = Session()
    session.open(request_of_a_network())
    session.run()
    made = OutlierCase(session, shows=False)
    while session.job.n_reports < 10:
        session.poll()
        session.job.join(0.005)
    job = session.job
    made.presenter.choose_loss(1.0, 0.0)
    made.presenter.choose_length(5)
    made.now += 1
    made.presenter.refresh()
    rest(session)
    assert session.job is job
    assert session.config.outlier_inner == 5
    terms = ["outlier region" in report.terms for report in session.trail]
    assert not terms[5]
    assert terms[-2]
    made.end()


def request_of_a_network():
    from tests.docks.outlier_cases import request

    return request(method="deepsvg", max_steps=40, warm_steps=3, tolerance=1e-9, width=4, depth=2, threads=1)


def test_nothing_is_listened_to_after_the_end(case):
    case.presenter.shut_down()
    asked = case.view.asked
    case.viewer.dims.set_current_step(0, 2)
    case.session.clean(((1, 3, 3), (1, 9, 9)))
    rest(case.session)
    assert case.view.asked == asked
    assert case.heat is None
