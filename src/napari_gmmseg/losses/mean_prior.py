"""The pull of the class means towards known ones: deepSVG_mu."""

from __future__ import annotations

from torch import Tensor


def mean_prior(means: Tensor, reference: Tensor) -> Tensor:
    """Return r(mu), the squared distance of the class means from known means.

    r(mu) = |mu - mu_data|^2, summed over classes and channels: Schwab et al., section 4.2 and Algorithm 4, for each
    image by itself. (The published program takes the batch's mean of mu first, which lets images err in opposite
    directions.) It acts on the network through the gradient of the M-step only.

    Parameters
    ----------
    means : Tensor (B, K, C) float
        In standardised intensity (1).
    reference : Tensor (K, C) float
        mu_data, in standardised intensity (1).

    Returns
    -------
    Tensor, scalar float
        Mean over images, in standardised intensity squared (1).
    """
    return (means - reference).square().sum((1, 2)).mean()
