"""What the dock and the command line tell of memory before a fit."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_gmmseg.config import FitConfig, find_preset
from napari_gmmseg.session import memory
from napari_gmmseg.session.memory import predicted_in_words, predicted_memory
from napari_gmmseg.session.segmenting import SegmentationRequest
from napari_gmmseg.volumes import Volume


def request(mask: np.ndarray | None = None, **settings: object) -> SegmentationRequest:
    volume = Volume.from_array(np.zeros((1, 20, 60, 50), np.float32), (1.0, 1.0, 1.0), ("t1",))
    config = FitConfig(**{"device": "cpu", **settings})
    return SegmentationRequest(volume, find_preset("brain-t1"), mask=mask, config=config)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch):
    """Say how many bytes are free."""

    def say(n_bytes: float) -> None:
        monkeypatch.setattr(memory, "available_memory", lambda: int(n_bytes))

    return say


def test_need_and_what_is_free_are_told_in_a_sentence(free) -> None:
    free(7.2e9)
    words = predicted_in_words(request(method="blindspot"))
    assert words.startswith("Needs about ")
    assert words.endswith(" of 7.2 GB free memory.")


def test_more_than_is_free_is_told(free) -> None:
    free(1e5)
    assert "smaller steps" in predicted_in_words(request(method="spatial"))


def test_a_mask_that_is_at_hand_bounds_the_need() -> None:
    mask = np.zeros((20, 60, 50), bool)
    mask[5:15, 10:30, 10:30] = True
    assert predicted_memory(request(mask, method="spatial")) < predicted_memory(request(method="spatial"))


@pytest.mark.parametrize("shape", [(20, 60, 50), (3, 3, 3)])
def test_an_empty_mask_or_one_of_another_grid_counts_as_the_whole_image(shape: tuple[int, ...]) -> None:
    assert predicted_memory(request(np.zeros(shape, bool))) == predicted_memory(request())


def test_settings_that_contradict_each_other_are_told_elsewhere() -> None:
    assert predicted_memory(request(method="blindspot", recipe="paper")) is None
    assert predicted_in_words(request(method="blindspot", recipe="paper")) == ""


def test_a_device_that_is_not_there_has_no_free_memory_to_tell() -> None:
    words = predicted_in_words(request(device="cuda:99"))
    assert words.startswith("Needs about ")
    assert "free" not in words


def test_it_loads_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from napari_gmmseg.config import FitConfig, find_preset\n"
        "from napari_gmmseg.session.memory import predicted_in_words\n"
        "from napari_gmmseg.session.segmenting import SegmentationRequest\n"
        "from napari_gmmseg.volumes import Volume\n"
        "v = Volume.from_array(np.zeros((1, 9, 9, 9), np.float32), (1.0,) * 3, ('t1',))\n"
        "assert 'free' in predicted_in_words(SegmentationRequest(v, find_preset('brain-t1')))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
