"""The maths of Gaussian mixtures in torch."""

from napari_gmmseg.mixture.densities import class_log_densities, log_densities, mean_log_likelihood
from napari_gmmseg.mixture.em import EMResult, EMStep, em, run_em
from napari_gmmseg.mixture.initialisation import initial_mixture, initial_mixtures
from napari_gmmseg.mixture.moments import VARIANCE_FLOOR
from napari_gmmseg.mixture.posterior import Posterior, most_likely_class, responsibilities
from napari_gmmseg.mixture.tensors import as_tensor

__all__ = [
    "VARIANCE_FLOOR",
    "EMResult",
    "EMStep",
    "Posterior",
    "as_tensor",
    "class_log_densities",
    "em",
    "initial_mixture",
    "initial_mixtures",
    "log_densities",
    "mean_log_likelihood",
    "most_likely_class",
    "responsibilities",
    "run_em",
]
