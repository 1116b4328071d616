"""Keys of the docks: Shift and a letter, which napari leaves to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref


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


_Pressed = Callable[[Any], None]
#: What was bound to each key of a viewer and is not released, newest last: docks share keys. No viewer lives by it.
_bound: WeakKeyDictionary[Any, dict[str, list[ref[_Pressed]]]] = WeakKeyDictionary()


class BoundKeys:
    """Binds keys to a viewer until they are released; who had bound one before has it again then.

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
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._mine = {key.pressed: _ignoring_viewer(actions[key.name]) for key in keys}
        for pressed, action in self._mine.items():
            _bound.setdefault(self._viewer, {}).setdefault(pressed, []).append(ref(action))
            self._viewer.bind_key(pressed, action, overwrite=True)

    def release(self) -> None:
        """Leave the keys to others; a second call changes nothing."""
        mine, self._mine = self._mine, {}
        for pressed, action in mine.items():
            held = [other for other in _bound[self._viewer][pressed] if other() is not None]
            newest = held[-1]() is action
            held = [other for other in held if other() is not action]
            _bound[self._viewer][pressed] = held
            if newest:
                self._viewer.bind_key(pressed, held[-1]() if held else None, overwrite=True)


def _ignoring_viewer(action: Callable[[], object]) -> Callable[[Any], None]:
    def pressed(_viewer: Any) -> None:
        action()

    return pressed
