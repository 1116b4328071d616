"""How a network takes its steps: optimiser, schedule, precision, and when to stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_gmmseg.config.deep import Precision
from napari_gmmseg.config.recipes import Recipe
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.deep.stacks import Stack
from napari_gmmseg.fitting.runtime import multiplies_bfloat16_fast

#: Steps on end whose gradient may be no finite number.
_MOST_ASTRAY = 3

#: Where the learning rate ends, as a share of where it began.
_LAST_RATE = 0.05
#: Steps in which it falls once the likelihood has settled before its time.
_LANDING = 30
#: Slices of a 3-D map of which torch 2.13 computes a wrong weight gradient in bfloat16 on the processor.
_WRONG_DEPTH = 2


class Schedule:
    """How many steps there are, and how long each is.

    Parameters
    ----------
    recipe : Recipe
        Steps and learning rate.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.end = recipe.warm_steps + recipe.max_steps
        self._rate, self._decays = recipe.learning_rate, recipe.decays
        self._share = recipe.falls_from
        self._falls_from = int(self._share * self.end)
        self._planned = self.end

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: constant, and towards the end falling where the recipe says so.

        Parameters
        ----------
        step : int
            From 1.
        """
        if not self._decays or step <= self._falls_from:
            return self._rate
        left = (self.end - step) / max(self.end - self._falls_from, 1)
        return self._rate * max(_LAST_RATE, left)

    def retune(self, recipe: Recipe, step: int, *, reopen: bool) -> None:
        """Go on with other settings; with other classes, give the network time to part them.

        Parameters
        ----------
        recipe : Recipe
            From now on.
        step : int
            That was taken last.
        reopen : bool
            Whether the classes are others.
        """
        self._rate, self._decays = recipe.learning_rate, recipe.decays
        planned = recipe.warm_steps + recipe.max_steps
        if planned != self._planned:
            self._planned, self.end = planned, max(planned, step + 1)
            fall = self._share * self.end
            self._falls_from = max(int(fall), step) if fall > step else self._falls_from
        if reopen:
            self.end = max(self.end, step + 2 * _LANDING)
            self._falls_from = max(self._falls_from, self.end - _LANDING)

    def values(self) -> list[int]:
        """Return where it stands."""
        return [self.end, self._falls_from, self._planned]

    def restore(self, values: Sequence[int]) -> None:
        """Take up where it stood.

        Parameters
        ----------
        values : sequence of int
            From `values`.
        """
        self.end, self._falls_from, self._planned = (int(value) for value in values)

    def settle(self, step: int) -> None:
        """End soon, since the likelihood has settled: at once, or after the learning rate has fallen.

        Parameters
        ----------
        step : int
            That was taken.
        """
        if not self._decays:
            self.end = step
        elif step < self._falls_from:
            self._falls_from, self.end = step, min(self.end, step + _LANDING)


class Trainer:
    """A network with its optimiser.

    Parameters
    ----------
    network : nn.Module
        Inputs (B, I, *S) to logits (B, K, *S).
    recipe : Recipe
        Weight decay and clipping.
    device : torch.device
        Where it computes.
    precision : "auto", "float32" or "bfloat16"
        Of the network; logits are float32.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, device: torch.device, precision: Precision) -> None:
        self._low = False
        self._network = network.to(device)
        if precision == "bfloat16" or (
            precision == "auto" and recipe.network == "light" and multiplies_bfloat16_fast(device)
        ):
            self.use_bfloat16()
        self._device = device
        self._clip = recipe.gradient_clip
        self._astray = 0
        self.optimiser = torch.optim.AdamW(
            self._network.parameters(),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )

    @property
    def network(self) -> nn.Module:
        """The network."""
        return self._network

    @property
    def precision(self) -> str:
        """What the network computes in."""
        return "bfloat16" if self._low else "float32"

    def slow_down(self, parameters: Sequence[nn.Parameter], share: float) -> None:
        """Have some of the network's weights learn at a share of the rate, before the first step.

        Parameters
        ----------
        parameters : sequence of nn.Parameter
            Which.
        share : float
            Of the learning rate; 0 leaves them as they are.
        """
        chosen = {id(parameter) for parameter in parameters}
        (group,) = self.optimiser.param_groups
        group["params"] = [parameter for parameter in group["params"] if id(parameter) not in chosen]
        if share:
            self.optimiser.add_param_group({"params": list(parameters), "share": share})
            return
        for parameter in parameters:
            parameter.requires_grad_(False)

    def flipped_logits(self, inputs: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Return the logits of mirrored inputs, mirrored back: the same image to a likelihood, another to a network.

        Parameters
        ----------
        inputs : Tensor (B, I, *S) float32
            What the network sees.
        axes : tuple of int
            Which are mirrored.
        """
        return self.logits(inputs.flip(axes)).flip(axes) if axes else self.logits(inputs)

    def logits(self, inputs: Tensor) -> Tensor:
        """Return the network's logits (B, K, *S) float32.

        Parameters
        ----------
        inputs : Tensor (B, I, *S) float32
            What it sees.
        """
        if not self._low:
            result: Tensor = self._network(inputs)
            return result
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            low: Tensor = self._network(inputs.contiguous(memory_format=self._layout))
        return low.float()

    def step(self, loss: Tensor, rate: float) -> None:
        """Take a step down the loss.

        Parameters
        ----------
        loss : Tensor ()
            With a graph.
        rate : float
            Learning rate.

        Raises
        ------
        SettingsError
            Where gradients are not finite in several steps on end.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        if bool(torch.isfinite(norm)):
            self._astray = 0
            self.optimiser.step()
            return
        # One step that is not finite is left out: taken, it would be in every weight.
        self._astray += 1
        if self._astray > _MOST_ASTRAY:
            raise SettingsError(
                "The training has left the finite numbers: its gradient is infinite or not a number.",
                "Lower the learning rate (--learning-rate), or take another recipe.",
            )

    def prior(self, inputs: Tensor, axes: tuple[int, ...] = ()) -> Tensor:
        """Return class probabilities (B, K, *S), predicted in evaluation mode; training goes on as if it had not been.

        Parameters
        ----------
        inputs : Tensor (B, I, *S) float32
            What the network sees.
        axes : tuple of int
            Which are mirrored for the network.
        """
        self._network.eval()
        try:
            with torch.inference_mode():
                logits = self.logits(inputs.flip(axes)).flip(axes) if axes else self.logits(inputs)
                return torch.softmax(logits, 1)
        finally:
            self._network.train()

    def add_prior(self, stack: Stack, seen: Tensor, total: Tensor, pieces: range, axes: tuple[int, ...] = ()) -> None:
        """Add the class probabilities of some pieces to a sum, in place; all of them, or none.

        Parameters
        ----------
        stack : Stack
            The pieces.
        seen : Tensor (I, *crop) float32
            What the network sees.
        total : Tensor (K, *crop) float32
            Changed in place.
        pieces : range
            Their numbers.
        axes : tuple of int
            Which are mirrored for the network.
        """
        stack.put(total, pieces, self.prior(stack.look(seen, pieces), axes))

    def use_bfloat16(self) -> None:
        """Compute in bfloat16 from now on; the weights stay float32."""
        self._low = True
        flat = next(module for module in self._network.modules() if isinstance(module, (nn.Conv2d, nn.Conv3d)))
        # Convolutions in bfloat16 are at their fastest with channels last, in 2-D and in 3-D.
        self._layout = torch.channels_last if isinstance(flat, nn.Conv2d) else torch.channels_last_3d
        self._network.to(memory_format=self._layout)  # type: ignore[call-overload]


def safe_precision(asked: Precision, size: Sequence[int], stride: int, device: torch.device) -> Precision:
    """Return the precision asked for, or float32 where bfloat16 would give wrong gradients.

    On the processor, the weight gradient of a 3 x 3 x 3 convolution in bfloat16 reads memory that nobody has written
    where its first axis has two voxels (oneDNN in torch 2.13): other bits in each run, or NaN.

    Parameters
    ----------
    asked : "auto", "float32" or "bfloat16"
        Setting.
    size : sequence of int
        Voxels of a piece, along each axis.
    stride : int
        Voxels of the image to one of the network's lowest level.
    device : torch.device
        Where it computes.
    """
    lowest = max(-(-size[0] // stride), 2)
    return "float32" if device.type == "cpu" and len(size) == 3 and lowest == _WRONG_DEPTH else asked


class Plateau:
    """The stopping rule: the negative log-likelihood changes by less than a tolerance from one window to the next.

    With a window of one step it is the paper's rule, |NLL_t - NLL_(t-1)| < tolerance (Schwab et al., section 4).

    Parameters
    ----------
    window : int
        Steps whose mean is compared with that of as many before.
    tolerance : float
        In nat per voxel; 0 never stops.
    least_steps : int
        Steps before which it does not look.
    """

    def __init__(self, window: int, tolerance: float, least_steps: int) -> None:
        self._values: deque[float] = deque(maxlen=2 * window)
        self._window, self._tolerance, self._least = window, tolerance, least_steps
        self._seen = 0

    def values(self) -> list[float]:
        """Return what it has seen."""
        return [float(self._seen), *self._values]

    def restore(self, values: Sequence[float]) -> None:
        """Take up where it was.

        Parameters
        ----------
        values : sequence of float
            From `values`.
        """
        self._seen = int(values[0])
        self._values.extend(values[1:])

    def reached(self, nll: float) -> bool:
        """Take in one value, and tell whether to stop.

        Parameters
        ----------
        nll : float
            In nat per voxel.
        """
        self._values.append(nll)
        self._seen += 1
        if self._tolerance <= 0 or self._seen <= self._least or len(self._values) < 2 * self._window:
            return False
        values = list(self._values)
        before, now = sum(values[: self._window]), sum(values[self._window :])
        return abs(now - before) / self._window < self._tolerance


class Draws:
    """Draws pieces without replacement, over and over.

    Parameters
    ----------
    pieces : Tensor (n,) int64
        Numbers to draw from.
    per_step : int
        How many at once.
    generator : torch.Generator
        On the CPU.
    """

    def __init__(self, pieces: Tensor, per_step: int, generator: torch.Generator) -> None:
        self._pieces, self._generator = pieces, generator
        #: How many at once.
        self.per_step = min(per_step, len(pieces))
        #: Drawn in this round, and not yet given out.
        self.left: list[int] = []

    @property
    def steps_per_round(self) -> int:
        """Steps until each piece was drawn once."""
        return -(-len(self._pieces) // self.per_step)

    def next(self) -> Sequence[int]:
        """Return the next pieces."""
        while len(self.left) < self.per_step:
            order = torch.randperm(len(self._pieces), generator=self._generator)
            self.left.extend(self._pieces[order].tolist())
        drawn, self.left = self.left[: self.per_step], self.left[self.per_step :]
        return drawn


def draw_axes(n_dims: int, generator: torch.Generator) -> tuple[int, ...]:
    """Draw which axes are mirrored in a step, each with a chance of one half.

    Parameters
    ----------
    n_dims : int
        Axes of a piece.
    generator : torch.Generator
        On the CPU.
    """
    drawn = torch.rand(n_dims, generator=generator).tolist()
    return tuple(axis - n_dims for axis, chance in enumerate(drawn) if chance < 0.5)
