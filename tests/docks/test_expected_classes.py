"""The number of classes follows the channels that are chosen, as long as nobody has set it."""

from __future__ import annotations

from dataclasses import replace

from napari_gmmseg.docks.segment.choices import Choices, ImageChoice
from napari_gmmseg.docks.segment.layer_list import with_images, with_preset

NAMES = ("flair", "t2", "t1gd", "t1")


def chosen(*names: str) -> Choices:
    images = tuple(ImageChoice(key, name, chosen=name in names, contrast=name) for key, name in enumerate(NAMES))
    return with_preset(Choices(images=images), "glioma")


def without(choices: Choices, name: str) -> Choices:
    return with_images(choices, [replace(i, chosen=i.chosen and i.name != name) for i in choices.images])


def test_a_glioma_has_a_class_for_each_contrast_in_which_something_may_be_bright() -> None:
    assert chosen(*NAMES).n_classes == 5
    assert chosen("t1", "flair").n_classes == 4
    assert chosen("t1", "t2").n_classes == 3


def test_classes_follow_when_an_image_is_left_out_or_is_of_another_contrast() -> None:
    everything = chosen(*NAMES)
    assert without(everything, "t1gd").n_classes == 4
    assert without(without(everything, "t1gd"), "flair").n_classes == 3
    back = with_images(without(everything, "t1gd"), everything.images)
    assert back.n_classes == 5
    renamed = [replace(i, contrast="pd") if i.name == "flair" else i for i in everything.images]
    assert with_images(everything, renamed).n_classes == 4


def test_a_number_that_was_set_stays() -> None:
    assert without(replace(chosen(*NAMES), n_classes=6), "t1gd").n_classes == 6
