"""One session for each viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from napari_gmmseg.session.state import Session

# A viewer's hash is its identity, so two viewers that hold the same are two keys here.
_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """Return the session of a viewer: made when it is first asked for, gone when the viewer is.

    Whoever asks with the same viewer shares it: docks, and what a script does. For the GUI thread.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or the proxy in which napari hands it to a plugin.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    session = _sessions.get(viewer)
    if session is None:
        from napari_gmmseg.session.state import Session

        session = _sessions[viewer] = Session()
    return session
