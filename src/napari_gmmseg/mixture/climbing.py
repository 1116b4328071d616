"""EM's loop: step after step up the log-likelihood, plainly or with extrapolation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.mixture.acceleration import extrapolate
from napari_gmmseg.mixture.moments import floored, m_step
from napari_gmmseg.mixture.observations import Observations
from napari_gmmseg.mixture.quadratic import log_weights
from napari_gmmseg.mixture.sweep import Sweeper
from napari_gmmseg.volumes import Mixture

FIRST_REACH = 4.0  # step length of extrapolation to begin with; four times more whenever it was reached and paid


@dataclass(frozen=True)
class Climb:
    """Where EM stands after a step, in standardised intensities.

    Parameters
    ----------
    mixture : Mixture
        After the step's update.
    log_likelihood : float
        Mean in nat, before the update.
    coefficients : ndarray (G, F) float64
        Log probabilities of the Gaussians as polynomials, after the update.
    converged : bool
        Whether this is the last step because the next would gain less than the tolerance.
    """

    mixture: Mixture
    log_likelihood: float
    coefficients: NDArray[np.float64]
    converged: bool = False


@dataclass(frozen=True, kw_only=True)
class Climber:
    """How to climb.

    Parameters
    ----------
    within_class : bool
        Class priors are given per voxel, so mixing weights matter within classes only.
    variance_floor : float
        In standardised intensities squared (1).
    tolerance : float
        Least rise of the mean log-likelihood, in nat.
    max_steps : int
        Upper bound on sweeps.
    """

    within_class: bool
    variance_floor: float
    tolerance: float
    max_steps: int

    def plainly(self, observations: Observations, start: Mixture) -> Iterator[Climb]:
        """Yield the steps of textbook EM.

        Parameters
        ----------
        observations : Observations
            Voxels with their quadratic features.
        start : Mixture
            In standardised intensities.
        """
        sweeper = Sweeper(observations, start.class_of)
        mixture, previous = start, -np.inf
        coefficients = self._coefficients(observations, mixture)
        for _ in range(self.max_steps):
            mixture, likelihood = self._step(sweeper, mixture, coefficients)
            coefficients = self._coefficients(observations, mixture)
            converged = abs(likelihood - previous) < self.tolerance
            yield Climb(mixture, likelihood, coefficients, converged)
            if converged:
                return
            previous = likelihood

    def with_extrapolation(self, observations: Observations, start: Mixture) -> Iterator[Climb]:
        """Yield the accepted steps of SQUAREM; one that lost log-likelihood is taken back before anyone sees it.

        Parameters
        ----------
        observations : Observations
            Voxels with their quadratic features.
        start : Mixture
            In standardised intensities.
        """
        sweeper = Sweeper(observations, start.class_of)
        sweeps, reach, length = 0, FIRST_REACH, 1.0
        first, safe, safe_likelihood = start, start, -np.inf
        while sweeps < self.max_steps:
            second, likelihood = self._step(sweeper, first, self._coefficients(observations, first))
            sweeps += 1
            if likelihood < safe_likelihood:
                reach = max(reach / 4, 1.0)
                first, safe_likelihood = safe, -np.inf
                continue
            if length == reach and safe_likelihood > -np.inf:
                reach *= 4
            yield Climb(second, likelihood, self._coefficients(observations, second))
            third, next_likelihood = self._step(sweeper, second, self._coefficients(observations, second))
            sweeps += 1
            jump, length = extrapolate(first, second, third, longest=reach)
            full = observations.quadratic.full
            jump = replace(jump, covariances=floored(jump.covariances, self.variance_floor, full=full))
            # EM's errors shrink by 1 - 1/length a step, so this much is still to come.
            remaining = (next_likelihood - likelihood) * max(1.0, length / 2)
            converged = abs(remaining) < self.tolerance
            yield Climb(third, next_likelihood, self._coefficients(observations, third), converged)
            if converged:
                return
            first, safe, safe_likelihood = jump, third, next_likelihood

    def spatially_variant(self, observations: Observations, start: Mixture) -> Iterator[Climb]:
        """Yield the steps of EM for the mixture whose weights are each voxel's own last responsibilities.

        Coefficients of Pi add up from step to step; a step's log-likelihood is the difference of the sums of
        logsumexp with and without the last Gaussians' coefficients.

        Parameters
        ----------
        observations : Observations
            Voxels with their quadratic features.
        start : Mixture
            In standardised intensities.
        """
        sweeper = Sweeper(observations, start.class_of)
        quadratic = observations.quadratic
        coefficients = np.zeros((len(start.class_of), len(quadratic)))
        coefficients[:, 0] = log_weights(start, within_class=self.within_class)
        normaliser = sweeper(coefficients).log_likelihood
        mixture, previous = start, -np.inf
        for _ in range(self.max_steps):
            coefficients = coefficients + quadratic.coefficients(mixture, np.zeros(len(coefficients)))
            statistics = sweeper(coefficients)
            likelihood = (statistics.log_likelihood - normaliser) / observations.total_weight
            normaliser = statistics.log_likelihood
            mixture = m_step(statistics.sums, quadratic, mixture, variance_floor=self.variance_floor)
            converged = abs(likelihood - previous) < self.tolerance
            yield Climb(mixture, likelihood, coefficients, converged)
            if converged:
                return
            previous = likelihood

    def _coefficients(self, observations: Observations, mixture: Mixture) -> NDArray[np.float64]:
        return observations.quadratic.coefficients(mixture, log_weights(mixture, within_class=self.within_class))

    def _step(self, sweeper: Sweeper, mixture: Mixture, coefficients: NDArray[np.float64]) -> tuple[Mixture, float]:
        statistics = sweeper(coefficients)
        observations = sweeper.observations
        updated = m_step(statistics.sums, observations.quadratic, mixture, variance_floor=self.variance_floor)
        return updated, statistics.log_likelihood / observations.total_weight
