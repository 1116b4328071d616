"""Which class of a new result is which of an earlier one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_gmmseg.config import find_preset, numbered_classes
from napari_gmmseg.session.identities import carry_identities, soft_dice
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, Mixture, Segmentation


def stripes(edges: list[int], table: ClassTable, order: list[int] | None = None) -> Segmentation:
    """A row of 60 voxels; class order[k] between edges k and k + 1."""
    k = len(edges) - 1
    probabilities = np.zeros((k, 1, 1, 60), dtype=np.float32)
    for place, c in enumerate(order or range(k)):
        probabilities[c, 0, 0, edges[place] : edges[place + 1]] = 1
    values = np.array(table.values, dtype=np.uint8)
    return Segmentation(
        label_map=LabelMap(values[probabilities.argmax(0)], Geometry.from_spacing((1, 1, 60), (1.0, 1.0, 1.0)), table),
        probabilities=probabilities,
        mask=np.ones((1, 1, 60), dtype=bool),
        mixture=Mixture(np.full(k, 1 / k), np.arange(k, dtype=float)[:, None], np.ones((k, 1, 1)), np.arange(k)),
        method="gmm",
        log_likelihood=0.0,
        steps=1,
    )


def named(names: str) -> ClassTable:
    table = numbered_classes(len(names))
    return ClassTable(tuple(replace(tissue, name=name) for tissue, name in zip(table, names, strict=True)))


def test_classes_in_another_order_take_their_names_and_values_back():
    earlier = stripes([0, 20, 40, 60], named("abc"))
    fresh = stripes([0, 20, 40, 60], numbered_classes(3), [2, 0, 1])
    carried, moved = carry_identities(earlier, fresh)
    np.testing.assert_array_equal(carried.label_map.labels, earlier.label_map.labels)
    assert {tissue.value: tissue.name for tissue in carried.label_map.classes} == {1: "a", 2: "b", 3: "c"}
    assert moved == {3: 1, 1: 2, 2: 3}


def test_a_class_more_gets_a_value_of_its_own():
    earlier = stripes([0, 20, 40, 60], named("abc"))
    fresh = stripes([0, 20, 40, 52, 60], numbered_classes(4), [3, 2, 1, 0])
    carried, _ = carry_identities(earlier, fresh)
    assert [tissue.name for tissue in carried.label_map.classes] == ["Class 4", "c", "b", "a"]
    assert sorted(carried.label_map.classes.values) == [1, 2, 3, 4]


def test_a_class_without_a_partner_takes_no_name_of_another_tissue():
    earlier = stripes([0, 5, 60], named("ab"))
    fresh = stripes([0, 40, 60], numbered_classes(2))
    carried, _ = carry_identities(earlier, fresh)
    by_value = {tissue.value: tissue.name for tissue in carried.label_map.classes}
    assert by_value[2] == "b"
    assert "a" not in by_value.values()


def test_tissues_that_a_fit_named_keep_what_it_says():
    tissues = find_preset("brain-t1").classes
    assert tissues is not None
    earlier = stripes([0, 20, 40, 60], named("abc"))
    fresh = stripes([0, 20, 40, 60], tissues, [2, 1, 0])
    carried, moved = carry_identities(earlier, fresh)
    assert carried is fresh
    assert moved == {}


def test_what_was_refined_is_called_the_same():
    earlier = stripes([0, 20, 40, 60], named("abc"))
    base = stripes([0, 20, 40, 60], numbered_classes(3), [1, 2, 0])
    carried, _ = carry_identities(earlier, replace(base, base=base))
    assert carried.base is not None
    np.testing.assert_array_equal(carried.base.label_map.labels, carried.label_map.labels)
    assert carried.base.label_map.classes == carried.label_map.classes


def test_overlap_is_dice_of_responsibilities():
    a, b = stripes([0, 30, 60], numbered_classes(2)), stripes([0, 20, 60], numbered_classes(2))
    np.testing.assert_allclose(soft_dice(a, b), [[2 * 20 / 50, 2 * 10 / 70], [0, 2 * 30 / 70]])
    soft = replace(a, probabilities=np.full_like(a.probabilities, 0.5))
    np.testing.assert_allclose(soft_dice(soft, soft), 0.5)
