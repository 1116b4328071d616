"""Which images are read slab by slab, what is refused then, and how often their file is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.api.large_images import image, saved, tiny_pieces

from napari_gmmseg import api
from napari_gmmseg.errors import GmmsegError, OutputError, ResourceError
from napari_gmmseg.io.slabs import FileSlabs
from napari_gmmseg.volumes import FitReport


@pytest.fixture(autouse=True)
def in_tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_pieces(monkeypatch)


@pytest.mark.parametrize("name", ["mask.mgz", "mask.nrrd", "mask.img"])
def test_formats_that_cannot_be_written_in_slabs_are_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    with pytest.raises(OutputError, match="slab by slab"):
        api.segment_to_file(path, tmp_path / name)


@pytest.mark.parametrize("settings", [{"method": "spatial"}, {"bias_field": "on"}, {"mask": "deepbet"}])
def test_what_needs_more_than_intensities_is_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    reports: list[FitReport] = []
    with pytest.raises(GmmsegError) as refused:
        api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="custom", progress=reports.append, **settings)
    assert refused.value.hint
    assert not reports
    assert not (tmp_path / "mask.nii.gz").exists()


@pytest.mark.parametrize("settings", [{}, {"n_classes": 4}, {"n_classes": 4, "method": "svgmm"}])
def test_a_class_that_begins_with_what_is_bright_is_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    path = saved(tmp_path / "large_FLAIR.nii.gz", image().astype(np.uint16))
    with pytest.raises(GmmsegError, match="brighter than tissue") as refused:
        api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="glioma", **settings)
    assert "--preset custom" in refused.value.hint
    assert not (tmp_path / "mask.nii.gz").exists()


@pytest.mark.parametrize(
    ("name", "settings", "tissues"),
    [
        ("FLAIR", {"n_classes": 3}, True),
        ("FLAIR", {"n_classes": 4, "initial_means": ((1000.0,), (5000.0,), (9000.0,), (14000.0,))}, True),
        ("T1w", {}, True),
        ("FLAIR", {"n_classes": 2}, False),
    ],
)
def test_a_preset_with_bright_classes_is_streamed_where_none_is_looked_for(
    tmp_path: Path, name: str, settings: dict[str, object], tissues: bool
) -> None:
    path = saved(tmp_path / f"large_{name}.nii.gz", image().astype(np.uint16))
    streamed = api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="glioma", **settings)
    assert (streamed.table.label_map.classes[0].name == "Cerebrospinal fluid") == tissues


def test_memory_decides_whether_an_image_is_streamed(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    assert api.must_stream([path], method="gmm", memory_limit=0.002)
    assert not api.must_stream([path], method="gmm", memory_limit=0.1)
    assert not api.must_stream([path], method="gmm")


@pytest.mark.parametrize("method", ["spatial", "auto", "blindspot"])
def test_other_methods_say_what_they_would_need(tmp_path: Path, method: str) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    with pytest.raises(ResourceError, match=r"needs about \d+ MB of memory") as refused:
        api.must_stream([path], method=method, memory_limit=0.0005)
    assert "--method gmm" in refused.value.hint


def test_several_channels_are_not_streamed(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    with pytest.raises(ResourceError, match="needs about"):
        api.must_stream([path, path], method="gmm", memory_limit=0.001)


@pytest.mark.parametrize("method", ["gmm", "svgmm"])
def test_several_channels_that_may_fit_once_their_mask_is_known_are_read(tmp_path: Path, method: str) -> None:
    path = saved(tmp_path / "large.nii.gz", image().astype(np.uint16))
    # Over the whole grid a fit would take four times that; one channel is streamed.
    assert api.must_stream([path], method=method, memory_limit=0.0011)
    assert not api.must_stream([path, path], method=method, memory_limit=0.0011)


@pytest.mark.parametrize(
    ("background", "kind", "settings", "passes"),
    [
        ("zero", np.uint16, {}, 2),
        ("zero", np.float32, {}, 3),
        ("zero", np.uint16, {"box": (1, 1, 1, 30, 30, 30)}, 3),
        ("zero", np.uint16, {"disc": (20, 20, 15)}, 3),
        ("air", np.uint16, {}, 3),
        ("air", np.float32, {}, 4),
    ],
)
def test_the_file_is_read_as_often_as_the_page_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    background: str,
    kind: type,
    settings: dict[str, object],
    passes: int,
) -> None:
    path = saved(tmp_path / "large.nii.gz", image(background).astype(kind))
    read: list[Path] = []
    before = FileSlabs.read

    def counted(self: FileSlabs) -> Iterator[tuple[slice, np.ndarray]]:
        read.append(self.path)
        return before(self)

    monkeypatch.setattr(FileSlabs, "read", counted)
    api.segment_to_file(path, tmp_path / "mask.nii.gz", preset="custom", **settings)
    assert read.count(path) == passes
    # The mask is read back once, under the name that it has until then.
    assert len(read) == passes + 1
