from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.sparse import lil_array
from scipy.sparse.linalg import spsolve

from napari_gmmseg.mixture.random_walks import conductances, first_met


def exact(edges: tuple[torch.Tensor | None, ...], mask: np.ndarray, classes: np.ndarray, n_classes: int) -> np.ndarray:
    """Solve Grady's system without any iteration."""
    node = np.arange(mask.size).reshape(mask.shape)
    laplacian = lil_array((mask.size, mask.size))
    for axis, edge in zip((-3, -2, -1), edges, strict=True):
        if edge is None:
            continue
        n = mask.shape[axis]
        first, second = node.take(range(n - 1), axis).ravel(), node.take(range(1, n), axis).ravel()
        for a, b, w in zip(first, second, edge.numpy().ravel().astype(float), strict=True):
            laplacian[a, b] -= w
            laplacian[b, a] -= w
            laplacian[a, a] += w
            laplacian[b, b] += w
    matrix = laplacian.tocsc()
    seeds = np.flatnonzero((classes.ravel() >= 0) & mask.ravel())
    free = np.flatnonzero((classes.ravel() < 0) & mask.ravel())
    result = np.zeros((n_classes, mask.size))
    for k in range(n_classes):
        known = (classes.ravel()[seeds] == k).astype(float)
        result[k, seeds] = known
        result[k, free] = spsolve(matrix[free][:, free], -matrix[free][:, seeds] @ known)
    return result.reshape(n_classes, *mask.shape)


@pytest.mark.parametrize("shape", [(1, 17, 23), (6, 9, 11)])
def test_probabilities_are_those_of_the_exact_system(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    image = rng.random((2, *shape)).astype(np.float32)
    mask = rng.random(shape) < 0.95
    classes = np.full(shape, -1)
    for k in range(3):
        place = tuple(rng.integers(shape))
        mask[place], classes[place] = True, k
    edges = conductances(torch.from_numpy(image), torch.from_numpy(mask), (3.0, 1.0, 1.5), 5.0)
    found = first_met(edges, torch.from_numpy(mask), torch.from_numpy(classes), 3).numpy()
    # A voxel that is cut off by the mask has no exact answer.
    connected = mask & ~alone(mask)
    wanted = exact(edges, connected, classes, 3)
    np.testing.assert_allclose(found[:, connected], wanted[:, connected], atol=5e-3)


def alone(mask: np.ndarray) -> np.ndarray:
    pieces, _ = ndimage.label(mask)
    return mask & (pieces != np.bincount(pieces[mask]).argmax())


def test_a_wall_keeps_walks_on_their_side() -> None:
    image = torch.zeros(1, 1, 12, 20)
    image[..., 9:] = 1.0
    mask = torch.ones(1, 12, 20, dtype=torch.bool)
    classes = torch.full((1, 12, 20), -1)
    classes[0, 5, 2], classes[0, 5, 17] = 0, 1
    met = first_met(conductances(image, mask, (1.0, 1.0, 1.0), 1000.0), mask, classes, 2)
    assert float(met[0, ..., :9].min()) > 0.9
    assert float(met[1, ..., 9:].min()) > 0.9


def test_where_no_path_leads_all_classes_are_alike() -> None:
    mask = torch.ones(1, 6, 9, dtype=torch.bool)
    mask[..., 4] = False
    classes = torch.full((1, 6, 9), -1)
    classes[0, 0, 0], classes[0, 5, 3] = 0, 1
    met = first_met(conductances(torch.zeros(1, 1, 6, 9), mask, (1.0, 1.0, 1.0), 1.0), mask, classes, 2)
    torch.testing.assert_close(met[:, :, :, 5:], torch.full((2, 1, 6, 4), 0.5), atol=1e-3, rtol=0)
    assert not met[:, :, :, 4].any()


def test_a_tie_to_a_stroke_elsewhere_draws_a_voxel_to_its_class() -> None:
    mask = torch.ones(1, 5, 5, dtype=torch.bool)
    classes = torch.full((1, 5, 5), -1)
    classes[0, 0, 0] = 0
    links = torch.zeros(2, 1, 5, 5)
    links[1, 0, 4, 4] = 100.0
    met = first_met(conductances(torch.zeros(1, 1, 5, 5), mask, (1.0, 1.0, 1.0), 1.0), mask, classes, 2, links)
    assert float(met[1, 0, 4, 4]) > 0.9
    assert float(met[0, 0, 0, 1]) > 0.5
