"""Estimate the smooth field by which each channel is too bright or too dark, inside the mixture."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.mixture.tensors import as_tensor
from napari_gmmseg.volumes.bias_field import MARGIN, BiasField, Slices, cosines

#: Edge in mm of the blocks whose mean is one sample: less noise, and still thinner than the cortex.
BLOCK = 2.0
#: Samples that are enough: a field has a few dozen numbers.
ENOUGH = 20_000
#: Shortest wave in mm, and the most waves along an axis beside the constant.
SHORTEST_WAVE = 200.0
MOST_WAVES = 4
#: Nat a sample that a wave of 100 mm costs, for a coefficient of one nat; others by the fourth power of their number.
STIFFNESS = 1000.0
#: A softer field, with this share of the stiffness, is taken where it gains so many nat a sample more. Where the true
#: field is stiff it gains .05: anatomy.
SOFTER = 0.05
LEAST_FINER_GAIN = 0.06
#: Blocks of fewer voxels tell no softer field: noise and voxels of two tissues do not average out in them, and it
#: follows anatomy.
LEAST_VOXELS_FOR_FINER = 4
#: Gaussians beside one a class: voxels of two tissues are of neither, and must not look like bias.
MORE_GAUSSIANS = 2
#: A field is believed where it makes a sample likelier by more nat than anatomy alone does, as tissue at the rim and in
#: the middle of a head differs, too. Averages of many heads, which have no bias, reach .075.
LEAST_GAIN = 0.085
#: So many samples tell a field; fewer tell none.
FEWEST = 200
#: Images of which more is not positive than this share are no product of tissue and field.
MOST_DARK = 0.02
#: Runs of EM a channel: two starts without a field and with one, then all samples without, with a stiff, a soft one.
STEPS_A_CHANNEL = 7
#: EM steps of a start on the thinner sample, and of what goes on from there.
_MOST_STEPS = 60
_MORE_STEPS = 15
_LEAST_STEPS = 3
#: The starts compete on one in so many samples.
_THINNER = 4
_TOLERANCE = 2e-5
#: Least variance of a Gaussian, as a share of the samples'.
_LEAST_VARIANCE = 1e-4
#: Size in mm that is assumed for the longest edge of an image that tells none: a head's.
_HEAD = 180.0


@dataclass(frozen=True)
class FoundField:
    """What was found in an image.

    Parameters
    ----------
    field : BiasField or None
        The field; None where no channel has one that is believed.
    gains : tuple of float
        Of each channel: nat a sample by which the field makes it likelier, less what its freedom explains.
    suited : tuple of bool
        Of each channel: whether its intensities can be a product of tissue and field at all.
    """

    field: BiasField | None
    gains: tuple[float, ...]
    suited: tuple[bool, ...]


#: A search: yields how many steps of how many are done.
Search = Generator[tuple[int, int], None, FoundField]


@dataclass(frozen=True)
class _Waves:
    """The basis at the samples (N, J), float64 and float32; what each function costs (J,); how many along Z, Y, X."""

    rows: Tensor
    narrow: Tensor
    costs: Tensor
    counts: tuple[int, int, int]


@dataclass(frozen=True)
class _Gaussians:
    """A mixture of one channel: weights, means and variances (G,) float64."""

    weights: Tensor
    means: Tensor
    variances: Tensor


@dataclass(frozen=True)
class _State:
    """Where EM stands: also the field's coefficients (J,), the mean log-likelihood, and effective parameters."""

    gaussians: _Gaussians
    coefficients: Tensor
    likelihood: float = -math.inf
    freedom: float = 0.0


def search_bias_field(
    image: Tensor,
    mask: Tensor,
    spacing: Sequence[float],
    *,
    unit: str,
    n_classes: int,
    start: Sequence[int] = (0, 0, 0),
    forced: bool = False,
) -> Search:
    """Estimate the bias field of each channel by a mixture that has the field as a parameter.

    A sample y (the mean of a small block) is modelled as y exp(-b) ~ sum_k pi_k N(mu_k, var_k), with b a sum of slow
    cosines. As the mean of b over the samples is held at 0, the Jacobian of the correction is constant. EM: the E-step
    gives r_k; the M-step gives pi, mu, var; then one Gauss-Newton step on the coefficients a, with u = y exp(-b),

    (Phi' H Phi + R) da = Phi' g - R a,  H = sum_k r_k u^2 / var_k,  g = sum_k r_k u (u - mu_k) / var_k,

    where R is the field's bending energy (Ashburner & Friston 2005, section on intensity non-uniformity; Zhang, Brady &
    Smith 2001 do the same with a filter in place of the basis). Classes are normal in linear, the field smooth in log
    intensity, so that noise in dark voxels does not count as field. Departures: the field is fitted to a sparse grid of
    block means with more Gaussians than classes, each channel by itself, and only then the classes to the corrected
    image. Of two starts the likelier is kept.

    The gain is the mean log-likelihood above that of the same mixture without a field, less (n / 2) log N / N for n
    effective parameters (Schwarz 1978).

    Parameters
    ----------
    image : Tensor (C, [T,] Z, Y, X) float32
        Intensities in the image's own unit, finite; the box around the mask.
    mask : Tensor ([T,] Z, Y, X) bool
        Voxels that count. Frames share a field.
    spacing : (dz, dy, dx)
        In `unit`.
    unit : "mm" or "pixel"
        Of the spacing; in pixels the longest edge counts as a head's.
    n_classes : int
        Number of classes K.
    start : (z, y, x)
        The box's first voxel in the volume.
    forced : bool
        Keep the field of every suited channel, however little it gains.

    Yields
    ------
    (int, int)
        Steps done, and how many there are at most; between two of them it can be given up.
    """
    image, mask = as_tensor(image), as_tensor(mask)
    edges = _edges(mask, spacing, unit)
    values, places, block = _samples(image, mask, edges)
    finer = block >= LEAST_VOXELS_FOR_FINER
    waves = _waves(places, [n * edge for n, edge in zip(mask.shape[-3:], edges, strict=True)])
    coefficients = np.zeros((len(image), *waves.counts))
    gains, suited, percent = [0.0] * len(image), [False] * len(image), [0.0] * len(image)
    means = _mean_waves(mask, waves.counts)
    for c, channel in enumerate(values):
        suited[c] = _suits(channel) and waves.rows.shape[1] > 1
        if not suited[c]:
            continue
        climbs = _fit(channel / channel.mean(), waves, n_classes + MORE_GAUSSIANS, finer=finer)
        for done in count(c * STEPS_A_CHANNEL + 1):
            try:
                next(climbs)
            except StopIteration as end:
                found, gains[c] = end.value
                break
            yield done, len(image) * STEPS_A_CHANNEL
        if not (math.isfinite(gains[c]) and bool(torch.isfinite(found).all())):
            # Too few of the samples differ.
            gains[c], suited[c] = 0.0, False
        elif forced or gains[c] > LEAST_GAIN:
            logs = waves.rows @ found
            low, high = np.quantile(np.exp(logs.numpy() - float(logs.mean())), (0.01, 0.99))
            percent[c] = float(50 * (high - low))
            found[0] -= means @ found
            coefficients[c] = found.numpy().reshape(waves.counts)
    size = tuple(int(n) for n in mask.shape[-3:])
    field = BiasField(coefficients, tuple(int(s) for s in start), size, tuple(percent))  # type: ignore[arg-type]
    return FoundField(field if coefficients.any() else None, tuple(gains), tuple(suited))


def without_bias(image: Tensor, field: BiasField, where: Slices | None = None) -> Tensor:
    """Return an image divided by its field.

    Parameters
    ----------
    image : Tensor (C, [T,] Z, Y, X) float32
        A box of the volume.
    field : BiasField
        The field.
    where : tuple of slice or None
        The box, along the volume's last three axes; None for that for which the field was made.

    Returns
    -------
    Tensor (C, [T,] Z, Y, X) float32
        In the same unit, of the same mean in the log domain.
    """
    own = tuple(slice(first, first + n) for first, n in zip(field.start, field.size, strict=True))
    box = own if where is None else where
    result = torch.empty_like(image)
    z, y, x = (torch.from_numpy(wave).to(image.device, torch.float32) for wave in field.waves(box))
    for c, coefficients in enumerate(field.coefficients):
        a = torch.from_numpy(np.array(coefficients)).to(image.device, torch.float32)
        planes = torch.einsum("ijk,zi,yj->zyk", a, z, y)
        torch.mul(image[c], torch.exp_((planes @ x.T).neg_()), out=result[c])
    return result


def _edges(mask: Tensor, spacing: Sequence[float], unit: str) -> tuple[float, float, float]:
    """Return the voxel's edges in mm along Z, Y, X; where that is not known, the image counts as a head."""
    z, y, x = (float(s) for s in spacing[-3:])
    if unit == "mm":
        return z, y, x
    scale = _HEAD / max(n * edge for n, edge in zip(mask.shape[-3:], (z, y, x), strict=True))
    return z * scale, y * scale, x * scale


def _samples(image: Tensor, mask: Tensor, edges: tuple[float, float, float]) -> tuple[Tensor, Tensor, int]:
    """Return means (C, N) float64 of blocks wholly inside the mask, places (N, 3), 0 ... 1, and a block's voxels."""
    shape = tuple(int(n) for n in mask.shape[-3:])
    inside = int(mask.sum())
    for edge in (BLOCK, 0.0):
        blocks = [min(max(1, round(edge / e)), n) for e, n in zip(edges, shape, strict=True)]
        n_axes = max(1, sum(n // b > 1 for n, b in zip(shape, blocks, strict=True)))
        sparse = max(1, round((inside / math.prod(blocks) / ENOUGH) ** (1 / n_axes)))
        strides = [min(b * sparse, n) for b, n in zip(blocks, shape, strict=True)]
        whole = _pooled(mask.to(torch.float32), blocks, strides) > 1 - 0.5 / math.prod(blocks)
        if int(whole.sum()) >= FEWEST or edge == 0.0:
            break
    values = torch.stack([_pooled(channel, blocks, strides)[whole] for channel in image])
    where = whole.nonzero()[:, -3:].cpu().double()
    places = (where * torch.tensor(strides) + torch.tensor(blocks) / 2) / torch.tensor(shape)
    return values.cpu().double(), places, math.prod(blocks)


def _pooled(maps: Tensor, blocks: Sequence[int], strides: Sequence[int]) -> Tensor:
    """Return the means of blocks of ([T,] Z, Y, X) float32."""
    frames = maps.reshape(-1, 1, *maps.shape[-3:])
    pooled = torch.nn.functional.avg_pool3d(frames, tuple(blocks), tuple(strides))
    return pooled.reshape(*maps.shape[:-3], *pooled.shape[-3:])


def _waves(places: Tensor, lengths: Sequence[float]) -> _Waves:
    spans = [length * (1 + 2 * MARGIN) for length in lengths]
    z, y, x = (1 + min(int(2 * span / SHORTEST_WAVE), MOST_WAVES) for span in spans)
    axes = [cosines(places[:, axis].numpy(), n) for axis, n in enumerate((z, y, x))]
    rows = np.einsum("ni,nj,nk->nijk", *axes).reshape(len(places), -1)
    # Waves in 100 mm, along each axis.
    squares = [(100 * np.arange(n) / (2 * span)) ** 2 for n, span in zip((z, y, x), spans, strict=True)]
    costs = STIFFNESS * (squares[0][:, None, None] + squares[1][:, None] + squares[2]) ** 2
    wide = torch.from_numpy(rows)
    return _Waves(wide, wide.float(), torch.from_numpy(costs.reshape(-1)), (z, y, x))


def _mean_waves(mask: Tensor, counts: tuple[int, int, int]) -> Tensor:
    """Return the mean of each of the basis functions over the mask, (J,) float64."""
    z, y, x = (
        torch.from_numpy(cosines((np.arange(n) + 0.5) / n, j)).to(mask.device, torch.float32)
        for n, j in zip(mask.shape[-3:], counts, strict=True)
    )
    along = (mask.to(torch.float32) @ x).reshape(-1, *mask.shape[-3:-1], counts[2]).sum(0)
    sums = torch.einsum("zyk,zi,yj->ijk", along.cpu().double(), z.cpu().double(), y.cpu().double())
    return sums.reshape(-1) / max(int(mask.sum()), 1)


def _suits(values: Tensor) -> bool:
    """Whether intensities can be a product: positive, but for noise, and not all alike."""
    if len(values) < FEWEST or float((values <= 0).double().mean()) > MOST_DARK:
        return False
    return len(torch.unique(values)) > MORE_GAUSSIANS + 1


def _fit(
    values: Tensor, waves: _Waves, most_gaussians: int, *, finer: bool
) -> Generator[None, None, tuple[Tensor, float]]:
    """Return the coefficients (J,) of the likelier of two starts, and what the field gains; yields after each climb.

    The starts compete on a thinner sample; the winner goes on with all, and may then be let go softer.
    """
    n_gaussians = min(most_gaussians, len(torch.unique(values)))
    thin = max(1, min(_THINNER, len(values) // FEWEST))
    few, few_waves = values[::thin], replace(waves, rows=waves.rows[::thin], narrow=waves.narrow[::thin])
    starts = [_start(few, n_gaussians, spread=spread) for spread in (True, False)]
    nothing = torch.zeros(len(waves.costs), dtype=torch.float64)
    winners = []
    for used in (None, few_waves):
        ended = []
        for start in starts:
            ended.append(_climb(few, _State(start, nothing), used, _MOST_STEPS))
            yield
        winners.append(max(ended, key=lambda state: state.likelihood))
    plain = _climb(values, winners[0], None)
    yield
    winner = _climb(values, winners[1], waves)
    gain = _net(winner, len(values)) - plain.likelihood
    if finer:
        yield
        softer = _climb(values, winner, replace(waves, costs=SOFTER * waves.costs))
        more = _net(softer, len(values)) - plain.likelihood
        if more - gain > LEAST_FINER_GAIN:
            return softer.coefficients, more
    return winner.coefficients, gain


def _net(state: _State, n_samples: int) -> float:
    """Return the log-likelihood in nat a sample, less what the parameters of the field explain."""
    return state.likelihood - state.freedom * math.log(n_samples) / (2 * n_samples)


def _start(values: Tensor, n_gaussians: int, *, spread: bool) -> _Gaussians:
    """Return Gaussians of groups: equally wide between the outer hundredths, or equally large."""
    shares = torch.linspace(0, 1, n_gaussians + 1, dtype=torch.float64)
    if spread:
        low, high = torch.quantile(values, 0.01), torch.quantile(values, 0.99)
        cuts = low + (high - low) * shares
    else:
        cuts = torch.quantile(values, shares)
    means = (cuts[1:] + cuts[:-1]) / 2
    variances = ((cuts[1:] - cuts[:-1]) / 2).square().clamp_min(_LEAST_VARIANCE * float(values.var()))
    return _Gaussians(torch.full_like(means, 1 / n_gaussians), means, variances)


def _climb(values: Tensor, state: _State, waves: _Waves | None, most: int = _MORE_STEPS) -> _State:
    """Run EM to its end, with a field where there are waves."""
    gaussians, coefficients, before, freedom = state.gaussians, state.coefficients, -math.inf, 0.0
    corrected = _corrected(values, waves, coefficients)
    for step in range(most):
        responsibilities, likelihood = _e_step(corrected, gaussians)
        if likelihood - before < _TOLERANCE and step > _LEAST_STEPS:
            break
        before = likelihood
        gaussians = _m_step(corrected, responsibilities)
        if waves is not None:
            coefficients, freedom = _field_step(corrected, responsibilities, gaussians, waves, coefficients)
            corrected = _corrected(values, waves, coefficients)
    return _State(gaussians, coefficients, likelihood, freedom)


def _corrected(values: Tensor, waves: _Waves | None, coefficients: Tensor) -> Tensor:
    """Return samples without the field; its mean over them is held at 0 in the log domain."""
    if waves is None:
        return values
    logs = waves.rows @ coefficients
    return values * torch.exp(logs.mean() - logs)


def _e_step(values: Tensor, gaussians: _Gaussians) -> tuple[Tensor, float]:
    """Return responsibilities (G, N) and the mean log-likelihood in nat."""
    logs = (2 * math.pi * gaussians.variances).log().mul_(-0.5).add_(gaussians.weights.log())
    deviations = (values - gaussians.means[:, None]).square_().mul_(-0.5 / gaussians.variances[:, None])
    joint = deviations.add_(logs[:, None])
    total = torch.logsumexp(joint, 0)
    return joint.sub_(total).exp_(), float(total.mean())


def _m_step(values: Tensor, responsibilities: Tensor) -> _Gaussians:
    sizes = responsibilities.sum(1).clamp_min(1e-6)
    means = responsibilities @ values / sizes
    variances = responsibilities @ values.square() / sizes - means.square()
    least = _LEAST_VARIANCE * float(values.var())
    return _Gaussians(sizes / sizes.sum(), means, variances.clamp_min(least))


def _field_step(
    values: Tensor, responsibilities: Tensor, gaussians: _Gaussians, waves: _Waves, coefficients: Tensor
) -> tuple[Tensor, float]:
    """Take a Gauss-Newton step; return the coefficients, and how many of them the data decide."""
    precisions = (1 / gaussians.variances) @ responsibilities
    pulls = (gaussians.means / gaussians.variances) @ responsibilities
    curvature = precisions * values.square()
    slope = curvature - pulls * values
    rows, costs = waves.rows[:, 1:], len(values) * waves.costs[1:]
    # In float32: a step need not be exact, where it leads to is told by the slope.
    narrow = waves.narrow[:, 1:]
    data = (narrow.T @ (curvature[:, None].to(torch.float32) * narrow)).double()
    penalised = data + torch.diag(costs)
    wanted = torch.cat([data, (rows.T @ slope - costs * coefficients[1:])[:, None]], 1)
    solved = torch.linalg.solve(penalised, wanted)
    result = coefficients.clone()
    result[1:] += solved[:, -1]
    return result, float(torch.diagonal(solved).sum())
