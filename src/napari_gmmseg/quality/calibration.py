"""Whether probabilities keep their word, and the temperature that makes them, from strokes left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from napari_gmmseg.errors import InputError
from napari_gmmseg.volumes import IGNORED, UNLABELLED, Finding, Scribbles, Stroke

FloatArray = NDArray[np.float32]

#: Strokes that each class needs: one to learn from while another is held out.
FEWEST_STROKES = 2
#: Held-out voxels that each class needs.
FEWEST_VOXELS = 20
#: Parts that the strokes of a class are dealt into, at most.
FOLDS = 5
BINS = 10
#: Temperatures that are looked at: below, answers become hard, above, they say nothing.
COLDEST, HOTTEST = 0.2, 20.0
#: Least probability that counts: a class that a prior forbids is doubted, and does not outvote all other voxels.
FLOOR = 1e-6


@dataclass(frozen=True)
class ReliabilityBin:
    """Held-out voxels of similar confidence.

    Parameters
    ----------
    low, high : float
        Confidence of its voxels: above low, up to high.
    confidence : float
        Their mean probability of the likeliest class; the middle of the bin where it is empty.
    accuracy : float or None
        Share of them whose likeliest class is the painted one; None where it is empty.
    n_voxels : int
        How many there are.
    share : float
        Share of all voxels that they stand for, 0 ... 1.
    """

    low: float
    high: float
    confidence: float
    accuracy: float | None
    n_voxels: int
    share: float


@dataclass(frozen=True)
class Calibration:
    """How far probabilities were from frequencies on strokes left out, and what mends it.

    Parameters
    ----------
    temperature : float
        What log probabilities are divided by: above 1 for answers that were too sure; 1 where nothing could be gained.
    ece_before, ece_after : float or None
        Expected calibration error on held-out strokes, 0 ... 1, as answered and at a temperature fitted to other
        strokes; None where there were too few.
    bins_before, bins_after : tuple of ReliabilityBin
        The reliability diagrams of both.
    n_voxels : int
        Held-out voxels.
    findings : tuple of Finding
        Why there is no calibration, or that it does not help.
    """

    temperature: float = 1.0
    ece_before: float | None = None
    ece_after: float | None = None
    bins_before: tuple[ReliabilityBin, ...] = ()
    bins_after: tuple[ReliabilityBin, ...] = ()
    n_voxels: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def bins(self) -> tuple[ReliabilityBin, ...]:
        """The reliability diagram of the calibrated probabilities."""
        return self.bins_after

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """Return calibrated probabilities; the likeliest class stays the likeliest.

        Parameters
        ----------
        probabilities : ndarray (K, *grid) float32
            As answered; voxels where all are 0 keep that.
        """
        if self.temperature == 1.0:
            return probabilities
        return tempered(probabilities, self.temperature)


def tempered(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return p_k^(1/T) / sum_j p_j^(1/T): softmax of the log probabilities over T (Guo et al. 2017, eq. 9).

    Parameters
    ----------
    probabilities : ndarray (K, ...) float
        Of the classes; where all are 0, all stay 0.
    temperature : float
        T > 0.

    Returns
    -------
    ndarray (K, ...) float32
        Same shape.
    """
    powers = np.maximum(probabilities, FLOOR) ** np.float32(1.0 / temperature)
    powers /= powers.sum(axis=0)
    return np.asarray(np.where(probabilities.any(axis=0), powers, 0.0), dtype=np.float32)


def reliability(
    probabilities: FloatArray,
    classes: NDArray[np.integer[Any]],
    n_bins: int = BINS,
    *,
    weights: NDArray[np.floating[Any]] | None = None,
) -> tuple[ReliabilityBin, ...]:
    """Return how often voxels of each confidence are right (the reliability diagram; Guo et al. 2017, eqs. 1-2).

    Parameters
    ----------
    probabilities : ndarray (K, n) float
        Of the classes.
    classes : ndarray (n,) integer
        True class k of each voxel.
    n_bins : int
        Bins of equal width between 0 and 1.
    weights : ndarray (n,) float or None
        How much each voxel counts; None for alike.
    """
    confidence, right = probabilities.max(axis=0), probabilities.argmax(axis=0) == classes
    counts = np.ones(len(classes)) if weights is None else np.asarray(weights, dtype=np.float64)
    # Bins are closed above, as in the paper: a confidence of exactly .9 is in the bin that ends there.
    index = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    number = np.bincount(index, minlength=n_bins)
    mass, sure, hits = (np.bincount(index, counts * of, n_bins) for of in (1.0, confidence, right))
    return tuple(
        ReliabilityBin(
            b / n_bins,
            (b + 1) / n_bins,
            float(sure[b] / mass[b]) if mass[b] else (b + 0.5) / n_bins,
            float(hits[b] / mass[b]) if mass[b] else None,
            int(number[b]),
            float(mass[b] / max(mass.sum(), np.finfo(float).tiny)),
        )
        for b in range(n_bins)
    )


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Return sum_b share_b |accuracy_b - confidence_b|, 0 ... 1 (Guo et al. 2017, eq. 3, after Naeini et al. 2015).

    Parameters
    ----------
    bins : tuple of ReliabilityBin
        From `reliability`.

    Raises
    ------
    InputError
        Where no bin holds a voxel.
    """
    if not any(b.n_voxels for b in bins):
        raise InputError("No voxel is left to calibrate on.", "Give voxels of known class.")
    return sum(b.share * abs(b.accuracy - b.confidence) for b in bins if b.accuracy is not None)


def fit_temperature(
    probabilities: FloatArray, classes: NDArray[np.integer[Any]], weights: NDArray[np.floating[Any]] | None = None
) -> float:
    """Return the temperature with the least negative log-likelihood of known voxels (Guo et al. 2017, sec. 4.2).

    Parameters
    ----------
    probabilities : ndarray (K, n) float
        Of the classes, as answered.
    classes : ndarray (n,) integer
        True class k of each voxel.
    weights : ndarray (n,) float or None
        How much each voxel counts; None for alike.
    """
    log_p = np.log(np.maximum(probabilities, FLOOR)).astype(np.float64)
    counts = np.ones(len(classes)) if weights is None else np.asarray(weights, dtype=np.float64)

    def nll(log_temperature: float) -> float:
        logits = log_p / np.exp(log_temperature)
        top = logits.max(axis=0)
        norm = top + np.log(np.exp(logits - top).sum(axis=0))
        return float((counts * (norm - logits[classes, np.arange(len(classes))])).sum() / counts.sum())

    found = minimize_scalar(nll, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def calibrate(
    answer: Callable[[Scribbles], FloatArray],
    scribbles: Scribbles,
    *,
    mask: NDArray[np.bool_] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> Calibration:
    """Fit a temperature to strokes that the answer has not seen.

    The strokes of each class are dealt into parts; each part in turn is left out, and its voxels are looked up in the
    answer to the others. A stroke's voxels count 1 / sqrt(n) each, as in `Scribbles.weights`.

    People paint where the answer is wrong, so strokes are no fair sample. The held-out voxels are therefore
    post-stratified: those answered wrongly count together as much as the voxels whose class the left-out strokes
    changed, those answered rightly as much as all others. What nobody has corrected counts as right.

    So that `ece_after` is no better than what holds for new strokes, each part is judged at the temperature of the
    other parts; the temperature returned is that of all. Where the error would not fall, the temperature stays 1.

    Parameters
    ----------
    answer : callable
        Takes scribbles and returns class probabilities (K, *grid), K in the order of the scribbles' class table without
        the classes that have no stroke.
    scribbles : Scribbles
        All strokes.
    mask : ndarray (*grid) bool or None
        Voxels that are answered without a stroke: background outside says nothing. None for all.
    folds : int
        Most parts, and so most answers that are asked for.
    seed : int
        Of the deal.

    Returns
    -------
    Calibration
        With a finding "too-few-strokes-to-calibrate" where a class has fewer than two strokes or few voxels.
    """
    scribbles = _visible(scribbles)
    values = scribbles.labels() if mask is None else scribbles.told(mask)
    owners = np.where(values == UNLABELLED, -1, _owners(scribbles))
    strokes = _strokes_of(scribbles, owners)
    few = _too_few(scribbles, strokes, np.bincount(values.reshape(-1), minlength=256))
    if few is not None:
        return Calibration(findings=(few,))
    parts, weights = _dealt(strokes, folds, seed), scribbles.weights()
    painted = [value for value in scribbles.classes.values if scribbles.counts()[value]]
    class_of = np.zeros(256, dtype=np.int64)
    class_of[painted] = np.arange(len(painted))
    whole = answer(scribbles)
    told, whole_class = whole.any(axis=0), whole.argmax(axis=0)
    held, classes, counts, part_of, changed = [], [], [], [], []
    for number in range(max(parts.values()) + 1):
        out = [stroke for stroke, part in parts.items() if part == number]
        left = replace(scribbles, strokes=tuple(s for s in scribbles.strokes if s.id not in out))
        asked = np.isin(owners, out) & (left.labels() == UNLABELLED)
        p = answer(left) if asked.any() else whole
        # Outside the mask an answer reaches no farther than its own strokes extend it.
        asked &= p.any(axis=0)
        if asked.any():
            held.append(p[:, asked])
            classes.append(class_of[values[asked]])
            counts.append(weights[asked])
            part_of.append(np.full(int(asked.sum()), number))
            changed.append(float((p.argmax(axis=0) != whole_class)[told].mean()))
    if not held:
        return Calibration(findings=(_few("the strokes lie on top of each other"),))
    p, truth = np.concatenate(held, axis=1), np.concatenate(classes)
    fair = _stratified(np.concatenate(counts), p.argmax(axis=0) == truth, float(np.mean(changed)))
    if fair is None:
        return Calibration(findings=(_few("every stroke corrects the answer to the others"),))
    return _judged(p, truth, fair, np.concatenate(part_of))


def _stratified(weights: FloatArray, right: NDArray[np.bool_], changed: float) -> NDArray[np.float64] | None:
    """Return weights (n,) under which wrong voxels have the share that strokes changed; None without right ones."""
    if not right.any():
        return None
    fair: NDArray[np.float64] = weights.astype(np.float64)
    if right.all():
        return fair
    fair[right] *= (1 - changed) / fair[right].sum()
    fair[~right] *= changed / fair[~right].sum()
    return fair


def _judged(
    p: FloatArray,
    classes: NDArray[np.integer[Any]],
    weights: NDArray[np.float64],
    parts: NDArray[np.integer[Any]],
) -> Calibration:
    """Compare the answers (K, n) as they are with those at the temperature of the other parts."""
    after = np.empty_like(p)
    for part in np.unique(parts):
        own = parts == part
        others = ~own if weights[~own].sum() > 0 else own
        after[:, own] = tempered(p[:, own], fit_temperature(p[:, others], classes[others], weights[others]))
    before_bins, after_bins = reliability(p, classes, weights=weights), reliability(after, classes, weights=weights)
    before, then = expected_calibration_error(before_bins), expected_calibration_error(after_bins)
    if then < before:
        return Calibration(fit_temperature(p, classes, weights), before, then, before_bins, after_bins, len(classes))
    finding = Finding(
        "calibration-does-not-help",
        f"On held-out strokes the probabilities miss the truth by {100 * before:.1f} % on average, and by "
        f"{100 * then:.1f} % after calibration: they are left as they are.",
        "",
        "note",
    )
    return Calibration(1.0, before, then, before_bins, after_bins, len(classes), (finding,))


def _owners(scribbles: Scribbles) -> NDArray[np.int64]:
    """Return the id of the stroke that says what each voxel (*grid) is; -1 where none does."""
    owners = np.full(scribbles.shape, -1, dtype=np.int64)
    for stroke in scribbles.strokes:
        owners[tuple(stroke.voxels.T)] = -1 if stroke.value in (UNLABELLED, IGNORED) else stroke.id
    return owners


def _visible(scribbles: Scribbles) -> Scribbles:
    """Return scribbles without the strokes of which nothing is left under later ones."""
    seen = set(np.unique(_owners(scribbles)).tolist())
    kept = tuple(s for s in scribbles.strokes if s.value in (UNLABELLED, IGNORED) or s.id in seen)
    return replace(scribbles, strokes=kept)


def _strokes_of(scribbles: Scribbles, owners: NDArray[np.int64]) -> dict[int, list[Stroke]]:
    """Return the strokes of each class that say what any voxel (*grid) is."""
    seen = set(np.unique(owners).tolist())
    found: dict[int, list[Stroke]] = {}
    for stroke in scribbles.strokes:
        if stroke.id in seen and stroke.value not in (UNLABELLED, IGNORED):
            found.setdefault(stroke.value, []).append(stroke)
    return found


def _too_few(
    scribbles: Scribbles, strokes: dict[int, list[Stroke]], counts: NDArray[np.integer[Any]]
) -> Finding | None:
    """Say which class has too little to hold out, in strokes or in voxels by label value; None where none has."""
    if len(strokes) < 2:
        return _few("fewer than two classes are painted")
    for value, own in strokes.items():
        tissue = scribbles.classes.by_value(value)
        name = tissue.name if tissue else f"Label {value}"
        if len(own) < FEWEST_STROKES:
            return _few(f"{name} has one stroke")
        if counts[value] < FEWEST_VOXELS:
            return _few(f"{name} has {counts[value]} painted voxels")
    return None


def _few(why: str) -> Finding:
    return Finding(
        "too-few-strokes-to-calibrate",
        f"Too few strokes to calibrate: {why}.",
        f"Paint at least {FEWEST_STROKES} strokes and {FEWEST_VOXELS} voxels of each class.",
        "note",
    )


def _dealt(strokes: dict[int, list[Stroke]], folds: int, seed: int) -> dict[int, int]:
    """Return the part of each stroke that may be left out: those of a class are spread over as many parts as can be.

    A class with fewer strokes than parts is left out in some of them; no part holds all strokes of a class.
    """
    rng = np.random.default_rng(seed)
    most = min(folds, max(len(own) for own in strokes.values()))
    parts: dict[int, int] = {}
    for own in strokes.values():
        for rank, which in enumerate(rng.permutation(len(own))):
            parts[own[int(which)].id] = rank % most
    return parts
