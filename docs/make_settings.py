"""Write docs/reference/settings.md and live-settings.md from the settings themselves.

python docs/make_settings.py           write the pages
python docs/make_settings.py --check   exit 1 where a page is not up to date
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from napari_gmmseg.config import PRESETS, Box, Disc, PreparationConfig
from napari_gmmseg.config.bounds import bounds_of
from napari_gmmseg.config.deep import DeepSettings
from napari_gmmseg.config.fit import FitConfig, MixtureSettings
from napari_gmmseg.config.liveness import LIVENESS, Liveness
from napari_gmmseg.config.outlier import FitOutlierSettings
from napari_gmmseg.config.recipes import RECIPES, Recipe

REFERENCE = Path(__file__).parent / "reference"

HEAD = """\
# Settings

<!-- Written by docs/make_settings.py from src/napari_gmmseg/config: change the fields there. -->

Each setting is described once, in `napari_gmmseg.config`; the command line, the dock and this page show the same words,
the same bounds and the same defaults. From Python, settings of the fit are keywords of `segment`.
"""

LIVE_HEAD = """\
# What settings do while a fit is running

<!-- Written by docs/make_settings.py from src/napari_gmmseg/config/liveness.py: change the table there. -->

Each setting can be changed while a fit is running. Of several that are changed at once, the strongest counts. What
cannot be done is refused with a reason, and the run goes on to the same bits as if nothing had been asked. How classes
are split and merged is told in [The live fit](../explanation/live.md); the settings themselves in
[Settings](settings.md).
"""

#: What each kind of change means, and its heading.
LIVE_SECTIONS: dict[Liveness, tuple[str, str]] = {
    "patch": (
        "Taken up at the next step",
        "The fit goes on with what it has learnt. A mixture goes on from its Gaussians, a network from its weights; a "
        "setting of the phase before, such as the neighbour weight once a network is trained, changes nothing more.",
    ),
    "rehead": (
        "Classes are split or merged",
        "Gaussians, class maps and the network's last layer follow; the rest of the network stays.",
    ),
    "restart": (
        "The fit begins anew",
        "Names, locks and changes of classes are given up with it.",
    ),
}

RECIPES_HEAD = """\
### What the recipes set

What is left empty above, and with it `means` and `max_steps`, comes from the recipe; the rest of a recipe has no
setting of its own. `--preset-paper` is short for `--recipe paper`.
"""

SECTIONS: dict[str, tuple[type, ...]] = {
    "The fit": (MixtureSettings,),
    "Deep mixtures": (DeepSettings,),
    "Regions too small to be believed": (FitOutlierSettings,),
    "What comes before the fit": (PreparationConfig,),
}

#: Flags of `napari-gmmseg segment` that set a field of another name.
FLAGS = {
    "n_classes": "--classes",
    "max_steps": "--steps",
    "neighbour_weight": "--beta",
    "refine": "--no-refine",
    "outlier_inner": "--outlier",
    "outlier_outer": "--outlier",
}
WITHOUT_FLAG = frozenset({"gaussians_per_class", "initialisation", "initial_means", "n_starts"})

DEVICES = "`auto`, `cpu`, `cuda`, `cuda:0` …, `mps`"
SHAPES = {Box: "(z0, y0, x0) to (z1, y1, x1), stop exclusive", Disc: "centre (y, x) and radius"}


def values_of(annotation: Any) -> str:
    """Tell which values a type allows."""
    if annotation in SHAPES:
        return SHAPES[annotation]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        kept = [values_of(part) for part in get_args(annotation) if part is not NoneType]
        return " or ".join([*kept, "empty"])
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        return "tuples of numbers" if get_origin(inner) is tuple else f"{values_of(inner)}s"
    return {int: "whole number", float: "number", str: "text", bool: "`True`, `False`"}[annotation]


def row_of(name: str, field: FieldInfo) -> str:
    """Return one line of the table."""
    limits = bounds_of(field)
    values = DEVICES if name == "device" else values_of(field.annotation) + (f", {limits}" if limits else "")
    default = "empty" if field.default in (None, ()) else f"`{field.default}`"
    flag = "–" if name in WITHOUT_FLAG else f"`{FLAGS.get(name, '--' + name.replace('_', '-'))}`"
    return f"| `{name}` | {flag} | {field.title} | {values} | {default} | {field.description} |"


def table_of(owner: type) -> str:
    """Return the table of one settings class."""
    fields: dict[str, FieldInfo] = owner.__pydantic_fields__  # type: ignore[attr-defined]
    head = "| name | flag | title | values | default | what it does |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(row_of(name, field) for name, field in fields.items())])


def recipes() -> str:
    """Return the table of what the recipes set, with a column for the methods that share one."""
    shared: dict[tuple[str, Recipe], list[str]] = {}
    for (form, name), recipe in RECIPES.items():
        shared.setdefault((name, recipe), []).append(form)
    heads = [f"{', '.join(forms)}: {name}" for (name, _), forms in shared.items()]
    rows = [f"| name | {' | '.join(heads)} | |", f"|---|{'---|' * len(heads)}---|"]
    told = told_of(Recipe)
    for field in fields(Recipe):
        values = [getattr(recipe, field.name) for _, recipe in shared]
        rows.append(f"| `{field.name}` | {' | '.join(shown(value) for value in values)} | {told[field.name]} |")
    return "\n".join(rows)


def shown(value: Any) -> str:
    """Return a value of a recipe as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def told_of(owner: type) -> dict[str, str]:
    """Return what the docstring of a dataclass tells of each field."""
    lines = inspect.cleandoc(owner.__doc__ or "").splitlines()
    told: dict[str, str] = {}
    names: list[str] = []
    for line in lines[lines.index("Parameters") + 2 :]:
        if line.startswith(" "):
            told |= {name: f"{told.get(name, '')} {line.strip()}".strip() for name in names}
        else:
            names = [name.strip() for name in line.split(" : ")[0].split(",")]
    return told


def presets() -> str:
    """Return the table of presets."""
    rows = ["| name | title | channels | classes | asks for a region | |", "|---|---|---|---|---|---|"]
    for preset in PRESETS.values():
        channels = ", ".join(preset.contrasts) or "any"
        classes = ", ".join(f"{c.value} {c.abbreviation}" for c in preset.classes) if preset.classes else "1 … K"
        region = "yes" if preset.needs_region else "no"
        rows.append(f"| `{preset.name}` | {preset.title} | {channels} | {classes} | {region} | {preset.tip} |")
    return "\n".join(rows)


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for title, owners in SECTIONS.items():
        parts += [f"## {title}\n", *(f"{table_of(owner)}\n" for owner in owners)]
        if DeepSettings in owners:
            parts += [RECIPES_HEAD, f"{recipes()}\n"]
    parts += ["## Presets\n", f"{presets()}\n"]
    return "\n".join(parts)


def live_page() -> str:
    """Return the page of what settings do while a fit is running."""
    described: dict[str, FieldInfo] = FitConfig.__pydantic_fields__  # type: ignore[attr-defined]
    parts = [LIVE_HEAD]
    for kind, (title, words) in LIVE_SECTIONS.items():
        names = [name for name, found in LIVENESS.items() if found == kind]
        rows = [f"| `{name}` | {described[name].title} | {described[name].description} |" for name in names]
        parts += [
            f"## {title}\n",
            f"{words}\n",
            "\n".join(["| name | title | what it does |", "|---|---|---|", *rows, ""]),
        ]
    return "\n".join(parts)


def main() -> int:
    """Write the pages, or check them."""
    pages = {REFERENCE / "settings.md": page(), REFERENCE / "live-settings.md": live_page()}
    if "--check" in sys.argv[1:]:
        return int(any(not path.exists() or path.read_text(encoding="utf-8") != text for path, text in pages.items()))
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
