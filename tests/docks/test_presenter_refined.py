"""A refined result, and the spatial mixture that it began with; no window."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image
from tests.docks.conftest import add_image, labels_layers, start

from napari_gmmseg.docks.segment.mask_saver import MaskSaver
from napari_gmmseg.io import read_labels
from napari_gmmseg.plugin.metadata import label_map_of, segmentation_of


@pytest.fixture
def refined(dock):
    """A dock after a run that refined the spatial mixture."""
    add_image(dock.viewer)
    dock.refines = True
    start(dock)
    dock.finish()
    return dock


def paint(layer, value: int = 3) -> None:
    layer.data_setitem((np.array([1]), np.array([0]), np.array([0])), value)


def shown_of(dock) -> tuple:
    """Return everything that tells which result is shown."""
    (layer,) = labels_layers(dock)
    return (
        layer.data.tobytes(),
        segmentation_of(layer.metadata).method,
        label_map_of(layer.metadata),
        dock.view.rows,
        dock.view.certainty,
        dock.view.messages,
    )


def test_what_the_refinement_changed_is_told_in_ml_and_percent(refined):
    sentence, rows, keeps_spatial = refined.view.refinement
    assert sentence == "What the refinement changed: 1.7 % of the voxels"
    assert [(row.amount, row.percent) for row in rows] == [
        ("0.0 ml", "+5.0 %"),
        ("0.0 ml", "−5.0 %"),
        ("0.0 ml", "0.0 %"),
    ]
    assert "2 voxels came from other classes, 0 went" in rows[0].tip
    assert not keeps_spatial
    assert refined.view.controls.keep_spatial


def test_the_end_of_a_refined_run_names_both_methods(refined):
    assert refined.view.progress[0] == "Done · spatial mixture, refined by blind-spot network · 10 steps"


def test_the_end_names_the_mixture_alone_while_it_is_kept(refined):
    refined.presenter.keep_spatial(True)
    steps = segmentation_of(labels_layers(refined)[0].metadata).steps
    assert refined.view.progress == (f"Done · spatial mixture, its refinement set aside · {steps} steps", 1.0)
    refined.presenter.keep_spatial(False)
    assert refined.view.progress == ("Done · spatial mixture, refined by blind-spot network · 10 steps", 1.0)


def test_a_run_without_refinement_has_nothing_to_switch(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    assert dock.view.refinement == ("", [], False)
    assert not dock.view.controls.keep_spatial
    before = shown_of(dock)
    dock.presenter.keep_spatial(True)
    assert shown_of(dock) == before


def test_the_next_run_takes_the_switch_away(refined):
    refined.refines = False
    start(refined)
    assert refined.view.refinement == ("", [], False)
    assert not refined.view.controls.keep_spatial


def test_the_switch_swaps_layer_metadata_table_and_certainty_and_back_again(refined):
    (layer,) = labels_layers(refined)
    segmentation = segmentation_of(layer.metadata)
    before = shown_of(refined)
    refined.presenter.keep_spatial(True)
    assert segmentation_of(layer.metadata) is segmentation.base
    assert np.array_equal(layer.data, segmentation.base.label_map.labels)
    assert [row.share for row in refined.view.rows] == ["33", "33", "33"]
    assert refined.view.refinement[2]
    refined.presenter.keep_spatial(False)
    assert shown_of(refined) == before
    assert not refined.view.refinement[2]


def test_what_save_writes_is_what_is_shown(refined, tmp_path):
    refined.presenter.keep_spatial(True)
    (layer,) = labels_layers(refined)
    refined.view.save_to = tmp_path / "mask.nii.gz"
    saver = MaskSaver(refined.view, refined.presenter.result_layer)
    saver.save()
    refined.poll_until(saver.poll)
    assert np.array_equal(
        read_labels(tmp_path / "mask.nii.gz").labels, segmentation_of(layer.metadata).label_map.labels
    )
    assert refined.view.saved.startswith("✓")
    refined.presenter.keep_spatial(False)
    assert refined.view.saved == ""


def test_paint_stays_with_the_result_that_was_painted_on(refined):
    (layer,) = labels_layers(refined)
    paint(layer)
    on_refined = layer.data.copy()
    refined.presenter.keep_spatial(True)
    assert np.array_equal(layer.data, segmentation_of(layer.metadata).label_map.labels)
    assert "What you painted stays" in refined.view.messages[0].text
    paint(layer, 1)
    on_spatial = layer.data.copy()
    refined.presenter.keep_spatial(False)
    assert np.array_equal(layer.data, on_refined)
    refined.presenter.keep_spatial(True)
    assert np.array_equal(layer.data, on_spatial)


def test_no_paint_no_word_of_it(refined):
    refined.presenter.keep_spatial(True)
    assert refined.view.messages == []


def test_strokes_on_one_result_are_not_undone_in_the_other(refined):
    (layer,) = labels_layers(refined)
    layer.mode = "paint"
    paint(layer)
    refined.presenter.keep_spatial(True)
    before = layer.data.copy()
    layer.undo()
    layer.redo()
    assert np.array_equal(layer.data, before)
    assert (layer.editable, layer.mode) == (True, "paint")


def test_a_layer_of_another_shape_is_left_alone_with_a_sentence(refined):
    (layer,) = labels_layers(refined)
    layer.data = np.full((2, 2, 2), 7, dtype=np.uint8)
    refined.presenter.keep_spatial(True)
    assert np.all(layer.data == 7)
    assert "shape" in refined.view.messages[0].text
    assert not refined.view.refinement[2]


def test_without_its_layer_there_is_nothing_to_switch(refined):
    refined.viewer.layers.remove(labels_layers(refined)[0])
    assert not refined.view.controls.keep_spatial
    refined.presenter.keep_spatial(True)
    assert labels_layers(refined) == []
    assert not refined.view.refinement[2]


def test_maps_hold_the_prior_and_follow_the_switch(dock):
    image = add_image(dock.viewer)
    dock.refines = True
    dock.presenter.choose(wants_maps=True)
    start(dock)
    dock.finish()
    maps = {layer.name: layer for layer in dock.viewer.layers if isinstance(layer, Image) and layer is not image}
    kinds = [name.removeprefix(f"{image.name} ") for name in maps]
    assert kinds == [f"{kind} {c}" for kind in ("probability", "prior") for c in ("CSF", "GM", "WM")] + ["uncertainty"]
    segmentation = segmentation_of(labels_layers(dock)[0].metadata)
    dock.presenter.keep_spatial(True)
    assert np.array_equal(maps[f"{image.name} probability GM"].data, segmentation.base.probabilities[1])
    assert np.array_equal(maps[f"{image.name} prior GM"].data, segmentation.prior[1])
    assert label_map_of(maps[f"{image.name} probability GM"].metadata) is segmentation.base.label_map
    dock.presenter.keep_spatial(False)
    assert np.array_equal(maps[f"{image.name} probability GM"].data, segmentation.probabilities[1])


def test_maps_come_one_at_a_time_and_all_before_the_next_run(dock):
    add_image(dock.viewer)
    dock.presenter.choose(wants_maps=True)
    start(dock)
    dock.allow(9)
    dock.poll_until(lambda: not dock.presenter.running)
    n_before = len(dock.viewer.layers)
    dock.presenter.poll()
    assert len(dock.viewer.layers) == n_before + 1
    start(dock)
    assert sum(layer.name.endswith("uncertainty") for layer in dock.viewer.layers) == 1


def test_a_stopped_refinement_says_that_the_best_is_kept(dock):
    add_image(dock.viewer)
    start(dock)
    dock.presenter.stop()
    dock.finish()
    assert dock.view.progress[0].startswith("Stopped, the best so far is kept · spatial mixture")
