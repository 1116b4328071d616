"""A network that learns from strokes, labels and intensities of several cases at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.config.recipes import Recipe
from napari_gmmseg.fitting.deep.training import Draws, Trainer, draw_axes
from napari_gmmseg.fitting.scribbling.islands import CaseIslands
from napari_gmmseg.fitting.scribbling.snapshots import Snapshots
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase, TuneBatch
from napari_gmmseg.losses import imitation, partial_cross_entropy, spatially_variant_nll, total_variation
from napari_gmmseg.networks import UNet

#: A slow encoder's learning rate beside that of the rest.
SLOW = 0.1
#: The learning rate of a network that has learnt before, beside that of a new one.
WARM = 0.2
#: Where the learning rate ends, as a share of where it began.
_LAST_RATE = 0.05
#: How long the running mean of the weights remembers: its decay is never above this.
_MEMORY = 0.95


def load_optimiser() -> None:
    """Have torch load what it loads with the first optimiser: seconds that belong to no training."""
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])


class Tuner:
    """A network in training on one case or several.

    Parameters
    ----------
    cases : sequence of TrainingCase
        What it learns from; the first is the one at hand.
    config : FinetuneConfig
        Weights of the losses, rates and seed.
    n_classes, n_looks : int
        Of the network.
    device : torch.device
        Where it computes.
    shares : sequence of float
        How often each case is drawn.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        config: FinetuneConfig,
        n_classes: int,
        n_looks: int,
        device: torch.device,
        shares: Sequence[float] = (1.0,),
        *,
        width: int | None = None,
        depth: int | None = None,
    ) -> None:
        self._cases, self._config = list(cases), config
        self._generator = torch.Generator().manual_seed(config.seed)
        n_inputs = n_looks * (len(cases[0].image) + n_classes)
        # Instance norms: an image is normalised by itself, in training and after it, whatever was learnt from before.
        network = UNet(
            n_inputs,
            n_classes,
            width=width or config.width,
            depth=depth or config.depth,
            published=True,
            generator=self._generator,
        )
        self._trainer = Trainer(network, _recipe(config), device, "float32")
        self._mean = copy.deepcopy(network)
        self._shares = torch.tensor(shares, dtype=torch.float64)
        self._draws = [self._new_draws(case) for case in self._cases]
        self._islands = [CaseIslands(case, config) for case in self._cases]
        self.steps = 0
        self._snapshots = Snapshots()
        self._rate = config.learning_rate
        #: Each loss of the last step, unweighted, in nat a voxel; the total variation is a pure number.
        self.terms: dict[str, float] = {}

    def load(self, state: dict[str, Tensor]) -> None:
        """Start from a trained network, with its encoder as slow as the settings say.

        Parameters
        ----------
        state : dict of str to Tensor, of any shape
            Its weights.
        """
        network = self._trainer.network
        network.load_state_dict(state)
        self._rate *= WARM
        self._mean.load_state_dict(state)
        if self._config.encoder != "trained":
            encoder = [p for module in [network.get_submodule("down")] for p in module.parameters()]
            self._trainer.slow_down(encoder, 0.0 if self._config.encoder == "frozen" else SLOW)

    def state(self) -> dict[str, Tensor]:
        """Return the running mean of the weights."""
        return {name: value.detach().cpu().clone() for name, value in self._mean.state_dict().items()}

    def retune(self, config: FinetuneConfig) -> None:
        """Go on with other windows and another weight of the outlier-region loss, from the next step on.

        Parameters
        ----------
        config : FinetuneConfig
            Only these settings of it may be others than before.
        """
        self._config = config
        for islands in self._islands:
            islands.retune(config)

    def snapshots(self) -> list[dict[str, Tensor]]:
        """Return the same from earlier in the training, oldest first."""
        return self._snapshots.newest(self.steps)

    def exchange(self, index: int, case: TrainingCase) -> None:
        """Learn from another case in place of one.

        Parameters
        ----------
        index : int
            Which.
        case : TrainingCase
            The new one.
        """
        self._cases[index] = case
        self._draws[index] = self._new_draws(case)
        self._islands[index] = CaseIslands(case, self._config)

    def step(self, progress: float) -> None:
        """Take one step.

        Parameters
        ----------
        progress : float
            How much of the budget is used up, 0 ... 1.
        """
        which = 0
        if len(self._cases) > 1:
            which = int(torch.multinomial(self._shares, 1, generator=self._generator))
        case = self._cases[which]
        hides = bool(torch.rand(1, generator=self._generator) < self._config.hidden_share)
        pieces = [p for draws in self._draws[which] for p in draws.next()]
        batch = case.batch(pieces, hides_strokes=hides)
        axes = draw_axes(2, self._generator)
        log_prior = torch.log_softmax(self._trainer.flipped_logits(batch.inputs, axes), 1)
        loss, self.terms = self._loss(batch, log_prior, case.stack.nearness)
        weight = self._islands[which].weight(progress)
        if weight:
            part = self._islands[which].pull(
                log_prior, batch, pieces, step=self.steps, first=lambda: predict(self._mean, case)
            )
            loss = loss + weight * part
            self.terms |= {"loss": float(loss.detach()), "outlier region": float(part.detach())}
        # In the second half of the budget the rate falls, so that the weights come to rest.
        rate = self._rate * max(_LAST_RATE, min(1.0, 2.0 * (1.0 - progress)))
        self._trainer.step(loss, rate)
        self.steps += 1
        self._remember()
        self._snapshots.offer(self.steps, self.state)

    def _loss(self, batch: TuneBatch, log_prior: Tensor, nearness: Sequence[float]) -> tuple[Tensor, dict[str, float]]:
        config = self._config
        parts = [
            (
                "strokes",
                config.stroke_weight,
                partial_cross_entropy(log_prior, batch.labels, batch.weights, batch.mask),
            ),
            ("smoothness", config.smoothness, total_variation(log_prior.exp(), batch.mask, nearness)),
        ]
        if batch.target is not None and config.imitation_weight:
            parts.append(("first answer", config.imitation_weight, imitation(log_prior, batch.target, batch.mask)))
        if batch.densities is not None and config.mixture_weight:
            nll = spatially_variant_nll(log_prior, batch.densities, batch.mask)
            parts.append(("mixture", config.mixture_weight, nll))
        loss = torch.stack([weight * value for _, weight, value in parts]).sum()
        return loss, {"loss": float(loss.detach()), **{name: float(value.detach()) for name, _, value in parts}}

    def _remember(self) -> None:
        """Take the weights into their running mean, which forgets the first steps."""
        decay = min(_MEMORY, self.steps / (self.steps + 9.0))
        with torch.no_grad():
            for mean, value in zip(self._mean.parameters(), self._trainer.network.parameters(), strict=True):
                mean.lerp_(value, 1.0 - decay)

    def prior(self, case: TrainingCase) -> Tensor:
        """Return the class probabilities (K, *crop) of a whole case, as the network sees them without strokes.

        Where strokes lie is in the answer at once already; together with that, what intensities and shapes alone say
        measured better than what the network says with strokes in sight.

        Parameters
        ----------
        case : TrainingCase
            The case.
        """
        return predict(self._mean, case)

    def slice_prior(self, case: TrainingCase, piece: int) -> Tensor:
        """Return the class probabilities (1, K, *S) of one slice, as `prior` does.

        Parameters
        ----------
        case : TrainingCase
            The case.
        piece : int
            Its number.
        """
        with torch.inference_mode():
            return torch.softmax(self._mean(case.inputs([piece], hides_strokes=True)), 1)

    def _new_draws(self, case: TrainingCase) -> list[Draws]:
        """Return what draws slices: one with strokes and others in each step."""
        every, painted = case.stack.trained, case.painted
        n = min(self._config.batch_slices, len(every))
        if not len(painted) or len(every) == 1:
            return [Draws(every, n, self._generator)]
        draws = [Draws(painted, 1, self._generator)]
        return [*draws, Draws(every, n - 1, self._generator)] if n > 1 else draws


def predict(network: nn.Module, case: TrainingCase) -> Tensor:
    """Return the class probabilities (K, *crop) float32 of a whole case without strokes in sight, 0 outside the mask.

    Parameters
    ----------
    network : nn.Module
        Inputs (B, I, *S) to logits (B, K, *S).
    case : TrainingCase
        The case.
    """
    total = torch.zeros_like(case.nearness)
    with torch.inference_mode():
        for piece in range(case.stack.n_pieces):
            logits = network(case.inputs([piece], hides_strokes=True))
            case.stack.put(total, [piece], torch.softmax(logits, 1))
    return total.mul_(case.mask)


def _recipe(config: FinetuneConfig) -> Recipe:
    """Return what a trainer asks of a recipe; its schedule is the tuner's own."""
    return Recipe(
        warm_steps=0,
        max_steps=1,
        least_steps=1,
        window=1,
        tolerance=0.0,
        learning_rate=config.learning_rate,
        decays=False,
        mirrors=True,
        batch_slices=config.batch_slices,
        means="fixed",
        gradient="detached",
        network="published",
        width=config.width,
        depth=config.depth,
        snapshots=1,
        own_intensity=1.0,
        weighs_sizes=False,
    )
