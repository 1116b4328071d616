"""From what a person says of labels to what a method takes of classes, and the names that classes keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_gmmseg.config import FitConfig, Preset, new_class
from napari_gmmseg.config.liveness import liveness
from napari_gmmseg.fitting.live import Change
from napari_gmmseg.fitting.naming import name_classes
from napari_gmmseg.fitting.progress import Told
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import (
    Adjust,
    ClassTable,
    Command,
    Finding,
    Merge,
    Mixture,
    Retune,
    Split,
    TissueClass,
    Volume,
)

_GONE = Finding("refused", "There is no class of that label any more.", "Choose one of the classes that are shown.")


class Names:
    """What the classes of a fit are called: by their means, until a person changes one; by their identity from then on.

    Parameters
    ----------
    volume : Volume
        For its contrasts.
    prepared : Prepared
        For whether tissue names may be given.
    preset : Preset
        What the classes mean.
    """

    def __init__(self, volume: Volume, prepared: Prepared, preset: Preset) -> None:
        self._volume, self._prepared, self._preset = volume, prepared, preset
        self._known: dict[int, TissueClass] = {}

    def table(self, mixture: Mixture, task: FitTask) -> tuple[ClassTable, NDArray[np.int64]]:
        """Return the class table, and for each fitted class its entry there.

        Parameters
        ----------
        mixture : Mixture
            Whose means name the classes, as long as nothing was changed.
        task : FitTask
            With the classes' identities.
        """
        if not self._known:
            return name_classes(mixture.class_means(), self._volume, self._prepared, self._preset)
        # Those that are gone leave their label values to whoever comes.
        self._known = {identity: self._known[identity] for identity in task.identities if identity in self._known}
        for identity in task.identities:
            if identity not in self._known:
                self._known[identity] = self._new(mixture, task.identities, identity)
        own = [self._known[identity] for identity in task.identities]
        order = sorted(range(len(own)), key=lambda k: own[k].value)
        entry = np.empty(len(own), dtype=np.int64)
        entry[order] = np.arange(len(own))
        return ClassTable(tuple(own[k] for k in order)), entry

    def keep(self, table: ClassTable, entry: NDArray[np.int64], identities: tuple[int, ...]) -> None:
        """Hold on to the names as they are now.

        Parameters
        ----------
        table : ClassTable
            Names.
        entry : ndarray (K,) int64
            For each fitted class its entry in the table.
        identities : tuple of int
            Of each fitted class.
        """
        if not self._known:
            self._known = {identity: table[int(e)] for identity, e in zip(identities, entry, strict=True)}

    @property
    def kept(self) -> bool:
        """Whether names are held."""
        return bool(self._known)

    def values(self) -> list[list[Any]]:
        """Return identities and names as JSON has them; empty where none are held."""
        return [[identity, asdict(tissue)] for identity, tissue in self._known.items()]

    def restore(self, values: list[list[Any]]) -> None:
        """Take up names.

        Parameters
        ----------
        values : list
            From `values`.
        """
        self._known = {
            int(identity): TissueClass(**{**tissue, "colour": tuple(tissue["colour"])}) for identity, tissue in values
        }

    def _new(self, mixture: Mixture, identities: tuple[int, ...], identity: int) -> TissueClass:
        """Return the tissue that a new class is, where all classes are then tissues of the preset; else a new name."""
        table, entry = name_classes(mixture.class_means(), self._volume, self._prepared, self._preset)
        meant = all(tissue.role for tissue in table)
        if meant and len(table) == len(identities):
            by_mean = {i: table[int(e)] for i, e in zip(identities, entry, strict=True)}
            if all(by_mean[i].value == tissue.value for i, tissue in self._known.items()):
                return by_mean[identity]
        return new_class(ClassTable(tuple(self._known.values())), self._preset.classes)


def translate(
    command: Command, task: FitTask, table: ClassTable, entry: NDArray[np.int64]
) -> Told | FitConfig | Finding | None:
    """Return a command as methods take it; settings where the fit has to begin anew; a finding where it cannot be.

    Parameters
    ----------
    command : Command
        What a person wants.
    task : FitTask
        As it is now.
    table : ClassTable
        What label values mean now.
    entry : ndarray (K,) int64
        For each fitted class its entry in the table.
    """
    classes = {table[int(e)].value: identity for identity, e in zip(task.identities, entry, strict=True)}
    makers: Mapping[type, Callable[..., Told | FitConfig | Finding | None]] = {
        Retune: _retuned,
        Merge: _merged,
        Split: _split,
        Adjust: _adjusted,
    }
    make = makers.get(type(command))
    if make is None:
        return command  # type: ignore[return-value] # the rest is the same for methods
    return make(command, task.config, classes)


def _retuned(command: Retune, config: FitConfig, classes: Mapping[int, int]) -> Change | FitConfig | Finding | None:
    try:
        new = replace(config, **dict(command.settings))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "setting"
        return Finding(
            "refused", f"{name} cannot be {first['input']!r}: {first['msg'].lower()}.", "Choose another value."
        )
    except TypeError as error:
        return Finding("refused", f"There is no such setting: {error}.", "Choose one of the settings that are shown.")
    kind = liveness(config, new)
    if kind is None:
        return None
    if kind == "restart":
        return new
    return Change(new, protected=frozenset(classes[v] for v in command.protected if v in classes))


def _merged(command: Merge, config: FitConfig, classes: Mapping[int, int]) -> Change | Finding:
    if command.into not in classes or command.other not in classes or command.into == command.other:
        return _GONE
    if config.n_classes <= 2:
        return Finding("refused", "There are only two classes: none can be merged away.", "Split one first.")
    merge = (classes[command.into], classes[command.other])
    return Change(replace(config, n_classes=config.n_classes - 1), merge=merge)


def _split(command: Split, config: FitConfig, classes: Mapping[int, int]) -> Change | Finding:
    if command.value not in classes:
        return _GONE
    if config.n_classes >= 16:
        return Finding("refused", "There are 16 classes already, the most there can be.", "Merge two first.")
    return Change(replace(config, n_classes=config.n_classes + 1), split=classes[command.value])


def _adjusted(command: Adjust, config: FitConfig, classes: Mapping[int, int]) -> Change | Finding:
    if not {*command.means, *command.stds, *command.locked} <= set(classes):
        return _GONE
    return Change(
        config,
        means={classes[value]: tuple(mean) for value, mean in command.means.items()},
        stds={classes[value]: tuple(std) for value, std in command.stds.items()},
        locked=frozenset(classes[value] for value in command.locked),
    )
