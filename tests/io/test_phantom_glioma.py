"""The generated glioma."""

import numpy as np
import pytest
from scipy import ndimage

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.io.phantom import Phantom
from napari_gmmseg.io.phantom_glioma import Tumour, glioma_phantom
from napari_gmmseg.volumes import Geometry

Brain = tuple[np.ndarray, Geometry]


@pytest.fixture(scope="module")
def brain() -> Brain:
    """A ball of white matter in a shell of grey matter with CSF around, 3 mm voxels."""
    n, step = 52, 3.0
    z, y, x = (np.arange(n) - (n - 1) / 2 for _ in range(3))
    radius = step * np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    maps = np.stack([(radius >= 66) & (radius < 70), (radius >= 58) & (radius < 66), radius < 58]).astype(np.float32)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = -step * (n - 1) / 2
    return maps, Geometry(shape=(n, n, n), affine=affine)


@pytest.fixture(scope="module")
def glioma(brain) -> Phantom:
    return glioma_phantom(0, brain=brain)


def test_the_same_seed_gives_the_same_bits(glioma, brain):
    again = glioma_phantom(0, brain=brain)
    assert np.array_equal(again.volume.data, glioma.volume.data)
    assert np.array_equal(again.truth.labels, glioma.truth.labels)
    assert again.attributes == glioma.attributes


def test_another_seed_gives_another_patient(glioma, brain):
    other = glioma_phantom(1, brain=brain)
    assert other.attributes != glioma.attributes
    assert (other.truth.labels != glioma.truth.labels).any()


@pytest.mark.parametrize("seed", range(3))
def test_every_class_is_present_and_only_the_rim_enhances(seed, brain):
    phantom = glioma_phantom(seed, brain=brain)
    labels = phantom.truth.labels
    assert min(phantom.truth.counts().values()) > 20
    t1, t1gd, t2, flair = ({v: channel[labels == v].mean() for v in range(1, 7)} for channel in phantom.volume.data)
    assert max(t1gd, key=t1gd.__getitem__) == 5
    assert t1gd[5] > 1.4 * t1[5]
    assert max(flair, key=flair.__getitem__) == 4
    assert t1[1] < t1[2] < t1[3]
    assert t2[3] < t2[2] < t2[1]


def test_the_background_is_zero_and_every_brain_voxel_is_not(glioma):
    assert not glioma.volume.data[:, ~glioma.mask].any()
    assert (glioma.volume.data[:, glioma.mask] > 0).all()
    assert np.array_equal(glioma.truth.labels > 0, glioma.mask)


def test_the_core_lies_in_the_rim_and_the_rim_in_the_oedema(glioma):
    labels = glioma.truth.labels
    around_core = ndimage.binary_dilation(labels == 6) & (labels != 6)
    assert np.isin(labels[around_core], (5,)).mean() > 0.9
    around_tumour = ndimage.binary_dilation(labels >= 5) & (labels < 5) & (labels > 0)
    assert (labels[around_tumour] == 4).mean() > 0.7


@pytest.mark.parametrize(("grade", "present"), [(2, {1, 2, 3, 4}), (3, {1, 2, 3, 4, 5}), (4, {1, 2, 3, 4, 5, 6})])
def test_the_grade_decides_what_the_tumour_holds(grade, present, brain):
    phantom = glioma_phantom(0, Tumour(grade=grade), brain=brain)
    assert {v for v, n in phantom.truth.counts().items() if n} == present
    assert phantom.attributes["neoplasm_histologic_grade"] == grade


def test_attributes_tell_where_the_tumour_is(brain):
    for seed in range(4):
        phantom = glioma_phantom(seed, brain=brain)
        centre = np.argwhere(phantom.truth.labels >= 5).mean(axis=0)
        world_x = (phantom.volume.geometry.affine @ [*centre, 1.0])[2]
        assert phantom.attributes["laterality"] == ("right" if world_x > 0 else "left")
        assert phantom.attributes["slice_position"] == pytest.approx(centre[0] / 51, abs=0.08)


def test_oedema_grows_with_the_methylation_cluster(brain):
    extent = {}
    for seed in range(12):
        phantom = glioma_phantom(seed, Tumour(variation_mm=0), brain=brain)
        counts = phantom.truth.counts()
        extent.setdefault(phantom.attributes["MethylationCluster"], []).append(counts[4] / (counts[5] + counts[6]))
    clusters = sorted(extent)
    assert len(clusters) >= 3
    means = [np.mean(extent[c]) for c in clusters]
    assert np.corrcoef(clusters, means)[0, 1] > 0.5


def test_maps_of_another_grid_are_refused(brain):
    with pytest.raises(GeometryError, match="Give CSF, GM and WM maps"):
        glioma_phantom(0, brain=(brain[0][:2], brain[1]))
