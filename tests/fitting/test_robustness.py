"""Images as they come: every method ends with finite numbers and a label everywhere, or with an error that helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.io.sample import load_sample_maps
from napari_gmmseg.volumes import Segmentation

Array = np.ndarray[Any, Any]
Segment = Callable[..., Segmentation]
#: What makes a network of `auto` a matter of tenths of a second.
SMALL = {"max_steps": 4, "warm_steps": 2, "width": 4, "depth": 2, "view": "2d"}
METHODS: dict[str, dict[str, Any]] = {
    "gmm": {"method": "gmm"},
    "svgmm": {"method": "svgmm"},
    "spatial": {"method": "spatial"},
    "auto": {"method": "auto", **SMALL},
}
T1 = (0.35, 0.7, 1.0)
CONTRASTS = {"t1": T1, "t2": (1.0, 0.7, 0.5), "flair": (0.2, 1.0, 0.75), "pd": (1.0, 0.9, 0.7)}


@dataclass(frozen=True)
class Scene:
    """An image (C, Z, Y, X) with its mask, the true labels where they are known, and how it is fitted."""

    image: Array
    mask: Array
    truth: Array | None = None
    spacing: tuple[float, float, float] | None = (2.0, 2.0, 2.0)
    channels: tuple[str, ...] = ("t1",)
    n_classes: int = 3
    #: Mean Dice that each method reaches at least.
    floors: dict[str, float] = field(default_factory=dict)
    #: What each method has to tell of it.
    findings: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def maps() -> Array:
    """Shares of CSF, GM and WM in slices through the ventricles, 2 mm, (3, 6, Y, X)."""
    parts = np.array(load_sample_maps().data[:, 41:47])
    y, x = (np.flatnonzero(parts.sum(axis=0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    return parts[:, :, y[0] : y[-1] + 1, x[0] : x[-1] + 1]


def mixed(
    parts: Array, noise: float, channels: tuple[str, ...] = ("t1",), *, spacing: tuple[float, float, float] = (2, 2, 2)
) -> Scene:
    """An image of shares in some contrasts, noise as a share of the brightest tissue."""
    mask = parts.sum(axis=0) > 0.5
    shares = np.where(mask, parts / np.maximum(parts.sum(axis=0), 1e-6), 0)
    image = np.stack([np.tensordot(CONTRASTS[name], shares, axes=1) for name in channels])
    image += np.random.default_rng(0).normal(0, noise, image.shape)
    truth = np.where(mask, shares.argmax(axis=0) + 1, 0).astype(np.uint8)
    return Scene(np.where(mask, image, 0).astype(np.float32), mask, truth, spacing, channels)


def changed(scene: Scene, **how: Any) -> Scene:
    return Scene(**{**vars(scene), **how})


def floors(gmm: float, svgmm: float, spatial: float, auto: float) -> dict[str, float]:
    return {"gmm": gmm, "svgmm": svgmm, "spatial": spatial, "auto": auto}


def head_with_skull() -> Scene:
    """All of a head: bright scalp, dark bone, and the brain; nothing is known of its classes."""
    scene = mixed(maps(), 0.03)
    image = np.pad(scene.image, [(0, 0), (0, 0), (8, 8), (8, 8)])
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape[-2:]), indexing="ij")
    radius = np.sqrt(y**2 + x**2)
    brain = np.pad(scene.mask, [(0, 0), (8, 8), (8, 8)])
    skull = np.where(radius > 0.97, 0.0, np.where(radius > 0.9, 1.4, 0.05))
    return Scene(np.where(brain, image, skull).astype(np.float32), np.broadcast_to(radius < 0.97, brain.shape).copy())


def brain_with_lesion(contrast: str, brightness: float) -> Scene:
    """A ball in white matter that no tissue is as dark or as bright as; it counts for no tissue."""
    scene = mixed(maps(), 0.03, (contrast,))
    z, y, x = np.indices(scene.mask.shape)
    ball = ((z - 3) ** 2 + (y - 60) ** 2 + (x - 48) ** 2 < 64) & scene.mask
    assert ball.sum() > 500
    image, truth = scene.image.copy(), np.where(ball, 0, scene.truth)
    image[0][ball] = brightness + np.random.default_rng(1).normal(0, 0.03, int(ball.sum()))
    return changed(scene, image=image, truth=truth)


def thick_slices() -> Scene:
    """0.9 x 0.9 x 5 mm: finer in the slices than the maps are, and two slices in one."""
    parts = maps().reshape(3, 3, 2, *maps().shape[2:]).mean(axis=2)[..., 25:65, 15:55]
    return mixed(parts.repeat(2, axis=2).repeat(2, axis=3), 0.04, spacing=(5.0, 0.9, 0.9))


def low_resolution() -> Scene:
    parts = np.array(load_sample_maps().data)
    parts = parts[:, : parts.shape[1] // 2 * 2, : parts.shape[2] // 2 * 2, : parts.shape[3] // 2 * 2]
    z, y, x = (n // 2 for n in parts.shape[1:])
    coarse = parts.reshape(3, z, 2, y, 2, x, 2).mean(axis=(2, 4, 6))[:, z // 4 : 3 * z // 4]
    return mixed(coarse, 0.03, spacing=(4.0, 4.0, 4.0))


def like_ct() -> Scene:
    """Whole numbers from -1024 to 3071, with a little air and metal among the tissue."""
    scene = mixed(maps(), 0.03)
    image = np.round(scene.image * 300 - 200).astype(np.int16)
    inside = np.flatnonzero(scene.mask)[::2000]
    image.reshape(-1)[inside[::2]], image.reshape(-1)[inside[1::2]] = -1024, 3071
    image[0][~scene.mask] = -1024
    return changed(scene, image=image)


def few_values(n: int) -> Scene:
    """As many distinct intensities; every tie is a tie for each class."""
    scene = mixed(maps(), 0.0)
    edges = np.quantile(scene.image[0][scene.mask], np.linspace(0, 1, n + 1)[1:-1])
    return changed(
        scene, image=np.where(scene.mask, 10.0 * (1 + np.digitize(scene.image, edges)), 0).astype(np.float32)
    )


def with_a_constant_channel() -> Scene:
    scene = mixed(maps(), 0.03, ("t1", "t2"))
    image = scene.image.copy()
    image[1] = 7.0
    return changed(scene, image=image)


def of_classes(n: int) -> Scene:
    scene = mixed(maps()[:, :4, 20:70, 10:60], 0.04)
    return changed(scene, truth=None, n_classes=n)


SCENES: dict[str, Callable[[], Scene]] = {
    "whole head": head_with_skull,
    "dark lesion": lambda: changed(brain_with_lesion("t1", 0.05), floors=floors(0.75, 0.85, 0.77, 0.77)),
    "bright lesion": lambda: changed(
        brain_with_lesion("flair", 1.6), findings=dict.fromkeys(("gmm", "spatial", "auto"), "small-class")
    ),
    "thick slices": lambda: changed(thick_slices(), floors=floors(0.85, 0.83, 0.90, 0.86)),
    "4 mm": lambda: changed(low_resolution(), floors=floors(0.67, 0.62, 0.66, 0.62)),
    "like CT": lambda: changed(like_ct(), floors=floors(0, 0.75, 0.90, 0.88), findings={"gmm": "small-class"}),
    "noise 15 %": lambda: changed(mixed(maps(), 0.15), floors=floors(0.56, 0.51, 0.54, 0.55)),
    "noise 20 %": lambda: changed(
        mixed(maps(), 0.20),
        floors=floors(0.50, 0.46, 0.54, 0.50),
        findings=dict.fromkeys(("spatial", "auto"), "held-means"),
    ),
    "2 channels": lambda: changed(mixed(maps(), 0.05, ("t1", "t2")), floors=floors(0.81, 0.76, 0.84, 0.82)),
    "3 channels": lambda: changed(mixed(maps(), 0.05, ("t1", "t2", "flair")), floors=floors(0.81, 0.80, 0.82, 0.80)),
    "4 channels": lambda: changed(
        mixed(maps(), 0.05, ("t1", "t2", "flair", "pd")), floors=floors(0.81, 0.80, 0.82, 0.80)
    ),
    "3 values": lambda: few_values(3),
    "5 values": lambda: few_values(5),
    **{f"K = {k}": lambda k=k: of_classes(k) for k in range(2, 9)},  # type: ignore[misc]
}


def check(result: Segmentation, scene: Scene) -> None:
    labels = np.asarray(result.label_map.labels)
    assert np.isfinite(result.mixture.means).all()
    assert np.isfinite(result.mixture.covariances).all()
    assert np.isfinite(result.log_likelihood)
    assert (labels[scene.mask] >= 1).all()
    assert (labels[scene.mask] <= scene.n_classes).all()
    assert not labels[~scene.mask].any()
    for maps_of_classes in (result.probabilities, result.fractions):
        np.testing.assert_allclose(maps_of_classes.sum(axis=0), scene.mask, atol=1e-4)
    for k, tissue in enumerate(result.label_map.classes):
        share = np.mean(labels[scene.mask] == tissue.value)
        told = [finding for finding in result.findings if finding.code in ("small-class", "empty-class")]
        assert share >= 0.01 or any(tissue.name in finding.message for finding in told), (k, share)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SCENES)
def test_every_image_has_a_defined_end(segment: Segment, dice: Callable[..., float], name: str, method: str) -> None:
    scene = SCENES[name]()
    preset = "brain-t1" if scene.n_classes == 3 else "custom"
    result = segment(
        scene.image,
        scene.mask,
        spacing=scene.spacing,
        channels=scene.channels,
        preset=preset if len(scene.channels) == 1 else "brain-multi",
        n_classes=scene.n_classes,
        **METHODS[method],
    )
    check(result, scene)
    if method in scene.findings:
        assert scene.findings[method] in [finding.code for finding in result.findings]
    if scene.truth is not None and scene.floors:
        assert dice(np.where(scene.truth > 0, result.label_map.labels, 0), scene.truth) >= scene.floors[method]


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_channel_is_refused_with_a_hint(segment: Segment, method: str) -> None:
    scene = with_a_constant_channel()
    with pytest.raises(GmmsegError, match="t2 is constant") as refused:
        segment(scene.image, scene.mask, channels=scene.channels, preset="brain-multi", **METHODS[method])
    assert "Leave this file out" in refused.value.hint


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_values", [1, 2])
def test_fewer_values_than_classes_are_refused_with_a_hint(segment: Segment, method: str, n_values: int) -> None:
    scene = few_values(n_values)
    with pytest.raises(GmmsegError, match=r"can be told apart|constant") as refused:
        segment(scene.image, scene.mask, **METHODS[method])
    assert refused.value.hint
