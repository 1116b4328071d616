"""What a fit's parameters say about its trustworthiness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes import Finding, Mixture


def doubts_about(
    mixture: Mixture,
    *,
    variance_floor: float,
    total_weight: float,
    constant_channels: NDArray[np.bool_],
    converged: bool,
    max_steps: int,
) -> tuple[Finding, ...]:
    """Return findings about a fitted mixture.

    Parameters
    ----------
    mixture : Mixture
        In standardised intensities.
    variance_floor : float
        In standardised intensities squared (1).
    total_weight : float
        Voxels, or their weight.
    constant_channels : ndarray (C,) bool
        Channels with one value in all voxels.
    converged : bool
        Whether EM stopped by itself.
    max_steps : int
        The limit on steps.
    """
    findings = [
        Finding(
            "constant-channel",
            f"Channel {channel + 1} has the same value in all voxels.",
            "It says nothing about the tissue: leave it out.",
        )
        for channel in np.flatnonzero(constant_channels)
    ]
    masses = np.bincount(mixture.class_of, weights=mixture.mixing_weights, minlength=mixture.n_classes) * total_weight
    findings += [
        Finding(
            "empty-class",
            f"Class {k + 1} of {mixture.n_classes} has lost its voxels: {masses[k]:.2g} are left.",
            "Ask for fewer classes, or start from other means.",
        )
        for k in np.flatnonzero(masses < 1)
    ]
    varying = ~constant_channels
    if varying.any():
        least = np.linalg.eigvalsh(mixture.covariances[:, varying][:, :, varying])[:, 0]
        findings += [
            Finding(
                "class-on-variance-floor",
                f"Class {k + 1} of {mixture.n_classes} is as narrow as is allowed.",
                "Its voxels have nearly one value: it may be background or a cut-off range; check the mask.",
                "note",
            )
            for k in np.unique(mixture.class_of[least <= variance_floor * (1 + 1e-9)])
            if masses[k] >= 1
        ]
    if not converged:
        findings.append(
            Finding(
                "not-converged",
                f"The fit stopped at the limit of {max_steps} steps and was still improving.",
                "Allow more steps or a larger tolerance.",
                "note",
            )
        )
    return tuple(findings)
