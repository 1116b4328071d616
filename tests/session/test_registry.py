"""One session for each viewer."""

from __future__ import annotations

import gc
import weakref

from napari_gmmseg.session.registry import session_of


class Viewer:
    """Compares by what it holds, as napari's do."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Viewer)

    def __hash__(self) -> int:
        return id(self)


class Proxy:
    def __init__(self, wrapped: object) -> None:
        self.__wrapped__ = wrapped


def test_a_viewer_has_one_session() -> None:
    viewer = Viewer()
    assert session_of(viewer) is session_of(viewer)


def test_two_viewers_that_hold_the_same_do_not_share_a_session() -> None:
    one, other = Viewer(), Viewer()
    assert one == other
    assert session_of(one) is not session_of(other)


def test_a_proxy_has_the_session_of_its_viewer() -> None:
    viewer = Viewer()
    assert session_of(Proxy(viewer)) is session_of(viewer)


def test_a_session_goes_with_its_viewer() -> None:
    viewer = Viewer()
    session = weakref.ref(session_of(viewer))
    del viewer
    gc.collect()
    assert session() is None
