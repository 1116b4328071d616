"""Labels of a real head against scikit-learn's, from the same start, with the same tolerance."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.mixture import em, initial_mixture, most_likely_class, run_em

pytestmark = pytest.mark.data


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-5])
def test_labels_are_scikit_learns(philips, tolerance):
    mixture = pytest.importorskip("sklearn.mixture")
    start = initial_mixture(philips, (1, 1, 1))
    model = mixture.GaussianMixture(
        3,
        covariance_type="diag",
        tol=tolerance,
        max_iter=1000,
        weights_init=start.mixing_weights,
        means_init=start.means,
        precisions_init=1 / np.einsum("gii->gi", start.covariances),
    )
    data = philips.T.astype(np.float64)
    theirs = model.fit(data).predict(data)
    result = run_em(em(philips, start, tolerance=tolerance, max_steps=1000))
    assert result.converged
    assert (most_likely_class(result.posterior, philips).numpy() == theirs).mean() >= 0.999


def test_flipped_rescaled_and_permuted_heads_get_the_same_labels(philips):
    labels = []
    for each in (philips, philips[:, ::-1], 10 * philips + 100):
        result = run_em(em(each, initial_mixture(each, (1, 1, 1)), tolerance=1e-4))
        labels.append(most_likely_class(result.posterior, each).numpy())
    assert (labels[0] == labels[1][::-1]).mean() >= 0.999
    assert (labels[0] == labels[2]).mean() >= 0.999
