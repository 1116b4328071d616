"""What `study_default.py` varies: one factor at a time around what the program came with when it was begun.

A variant is put in force for a whole process: settings that a person has go through `FitConfig`, the others by changing
what the program comes with. No file of the program is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from napari_gmmseg.config import recipes, slicing
from napari_gmmseg.fitting.deep.training import Trainer

#: What oneDNN is limited to, as a processor without units for bfloat16, without AMX, or of ten years ago would be.
INSTRUCTIONS = {"no bf16": "AVX512_CORE_VNNI", "no amx": "AVX512_CORE_BF16", "avx2": "AVX2"}


@dataclass(frozen=True)
class Variant:
    """One way to refine.

    Parameters
    ----------
    factor, level : str
        What is varied, and to what.
    settings : mapping
        Fields of `FitConfig`.
    recipe : mapping
        Fields of the blind-spot recipe.
    neighbours : int or None
        Slices on each side that a network sees; None: as the program has it.
    layout : "first", "last" or None
        Where the channels lie in memory; None: last in bfloat16, first in float32.
    members : int
        Networks of as many seeds whose posteriors are averaged.
    instructions : str
        A key of `INSTRUCTIONS`; "": all that the processor has.
    cases : tuple of str
        The only ones that it is run on; (): all.
    """

    factor: str
    level: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    neighbours: int | None = None
    layout: str | None = None
    members: int = 1
    instructions: str = ""
    cases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in tables and files."""
        return f"{self.factor} {self.level}".strip()

    def environment(self) -> dict[str, str]:
        """Return variables that have to be set before the program begins."""
        return {"ONEDNN_MAX_CPU_ISA": INSTRUCTIONS[self.instructions]} if self.instructions else {}

    def put_in_force(self) -> None:
        """Change what this process comes with."""
        key = ("blindspot", "tuned")
        recipes.RECIPES[key] = replace(recipes.RECIPES[key], **{**CENTRE, **self.recipe})
        if self.neighbours is not None:
            slicing.NEIGHBOURS = self.neighbours
        if self.layout == "first":
            Trainer.use_bfloat16 = _in_bfloat16_with_channels_first  # type: ignore[method-assign]
        elif self.layout == "last":
            Trainer.logits = _in_float32_with_channels_last  # type: ignore[method-assign]


def _in_bfloat16_with_channels_first(self: Trainer) -> None:
    self._low, self._layout = True, torch.contiguous_format


def _in_float32_with_channels_last(self: Trainer, inputs: Tensor) -> Tensor:
    self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    result: Tensor = self._network(inputs.contiguous(memory_format=torch.channels_last))
    return result


#: What the program came with when the study was begun: the centre that single factors are varied around.
CENTRE: dict[str, Any] = {
    "warm_steps": 25,
    "unseen_steps": 20,
    "max_steps": 100,
    "learning_rate": 4e-3,
    "falls_from": 0.5,
    "batch_slices": 2,
    "width": 8,
    "depth": 2,
    "norm_momentum": 0.1,
    "hidden_share": 0.3,
    "snapshots": 3,
    "mirrors_snapshots": False,
    "own_intensity": 0.25,
}
DEFAULT = Variant("default", "")
#: What the method starts from, and has to be better than.
FLOOR = Variant("spatial", "", {"method": "spatial"})


def _of_recipe(factor: str, name: str, *levels: Any) -> list[Variant]:
    return [Variant(factor, f"{level:g}", recipe={name: level}) for level in levels]


#: Where only time, or an end before time, is asked for.
_FEW = ("t1_n9b0", "heart", "heart@1")
_TRADED = {"warm_steps": 10, "max_steps": 150, "snapshots": 1, "norm_momentum": 0.3}
_MIRRORED = {**_TRADED, "snapshots": 2, "mirrors_snapshots": True}
#: In the order in which they are run. The last change several factors: what the single ones spared, spent on steps.
VARIANTS: tuple[Variant, ...] = (
    DEFAULT,
    FLOOR,
    *_of_recipe("steps", "max_steps", 50, 200),
    *_of_recipe("learning rate", "learning_rate", 2e-3, 8e-3),
    *_of_recipe("width", "width", 16, 4),
    *_of_recipe("snapshots", "snapshots", 1),
    *_of_recipe("warm-up", "warm_steps", 10),
    Variant("norm momentum", "0.3", recipe={"norm_momentum": 0.3}),
    Variant("rate falls", "from the start", recipe={"falls_from": 0.0}),
    *_of_recipe("slices a step", "batch_slices", 4, 1),
    *_of_recipe("hidden share", "hidden_share", 0.2, 0.5),
    *(Variant("neighbours", f"{n}", neighbours=n) for n in (1, 0)),
    *_of_recipe("depth", "depth", 3, 1),
    Variant("precision", "float32", {"precision": "float32"}, cases=_FEW),
    Variant("precision", "bfloat16, channels first", layout="first", cases=_FEW),
    Variant("precision", "float32, channels last", {"precision": "float32"}, layout="last", cases=_FEW),
    Variant(
        "instructions", "AVX-512 without bf16, float32", {"precision": "float32"}, instructions="no bf16", cases=_FEW
    ),
    Variant(
        "instructions", "AVX-512 without bf16, bf16", {"precision": "bfloat16"}, instructions="no bf16", cases=_FEW
    ),
    Variant("instructions", "AVX2, float32", {"precision": "float32"}, instructions="avx2", cases=_FEW),
    Variant("tolerance", "0.01", recipe={"tolerance": 1e-2}, cases=_FEW),
    Variant("view", "3d patches", {"view": "3d"}, cases=("heart", "heart@1")),
    *(Variant("networks", f"{n}", members=n) for n in (2, 3)),
    Variant("traded", "for steps", recipe=_TRADED),
    Variant("traded", "for steps, mirrored", recipe=_MIRRORED),
    Variant("traded", "for steps, mirrored, rate falls from the start", recipe={**_MIRRORED, "falls_from": 0.0}),
    Variant("traded", "for steps, rate falls from the start", recipe={**_TRADED, "falls_from": 0.0}),
)
#: Steps that are tried on brains of several noises.
COUNTS = (75, 150, 300)
STEPS = tuple(Variant("traded for steps:", f"{n}", recipe={**_TRADED, "max_steps": n}) for n in COUNTS)
BY_NAME = {variant.name: variant for variant in (*VARIANTS, *STEPS)}
