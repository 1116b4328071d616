"""Keys of the docks: Shift and a letter, which napari leaves to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """One key.

    Parameters
    ----------
    name : str
        Machine name of what it does.
    pressed : str
        As napari writes it, e.g. "Shift-Z".
    does : str
        For the person.
    """

    name: str
    pressed: str
    does: str

    @property
    def shown(self) -> str:
        """As it stands on a keyboard."""
        return self.pressed.replace("-", "+")


#: napari's own Ctrl+Z undoes strokes of the layer that is painted on; these undo what was done in the docks.
UNDO = Key("undo", "Shift-Z", "Undo what was done in the docks (Ctrl+Z undoes strokes)")
REDO = Key("redo", "Shift-Y", "Redo")
BLINK = Key("blink", "Shift-B", "Show the kept result, and the current one again")
KEYS = (UNDO, REDO, BLINK)


class BoundKeys:
    """Binds keys to a viewer until they are released.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose keys they are.
    keys : sequence of Key
        Which.
    actions : mapping of str to callable
        What each does, by its name.
    """

    def __init__(self, viewer: Any, keys: Sequence[Key], actions: Mapping[str, Callable[[], object]]) -> None:
        self._viewer = viewer
        self._keys = tuple(keys)
        for key in self._keys:
            viewer.bind_key(key.pressed, _ignoring_viewer(actions[key.name]), overwrite=True)

    def release(self) -> None:
        """Leave the keys to others; a second call changes nothing."""
        keys, self._keys = self._keys, ()
        for key in keys:
            self._viewer.bind_key(key.pressed, None)


def _ignoring_viewer(action: Callable[[], object]) -> Callable[[Any], None]:
    def pressed(_viewer: Any) -> None:
        action()

    return pressed
