"""Record what is done in a session, so that it can be gone on with after a crash; and offer one that did not end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from napari_gmmseg.config import FitConfig
from napari_gmmseg.docks.common.sentences import Message, error_message, finding_message
from napari_gmmseg.docks.segment.advanced import ADVANCED
from napari_gmmseg.docks.segment.choices import Choices
from napari_gmmseg.docks.segment.presenter import SegmentPresenter
from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.shown import image_layers
from napari_gmmseg.session import Job, Steps
from napari_gmmseg.session.journal import Journal, Recoverable, Recovered, discard, new_folder, prune, recover
from napari_gmmseg.session.journal import recoverable as find_recoverable
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import FitReport

_RECOVERED = Message("The session is back, as it was left.")


class Tells(Protocol):
    """A window that says what goes wrong."""

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""


class Recording:
    """Begins and ends the journal of a session; for the GUI thread.

    Parameters
    ----------
    session : Session
        Whose.
    view : Tells
        The window, for what goes wrong.
    """

    def __init__(self, session: Session, view: Tells) -> None:
        self._session, self._view = session, view
        self._journal: Journal | None = None
        self._warned = False

    def begin(self) -> None:
        """Record what comes in a folder of its own; what came before has ended."""
        self.end()
        try:
            self.go_on(Journal.create(new_folder()))
        except (GmmsegError, OSError) as error:
            told = error if isinstance(error, GmmsegError) else GmmsegError(f"The session is not recorded: {error}.")
            self._view.show_messages([error_message(told)])

    def go_on(self, journal: Journal) -> None:
        """Record what comes in a journal.

        Parameters
        ----------
        journal : Journal
            New, or of a session that is gone on with.
        """
        self._journal, self._warned = journal, False
        self._session.recorder = journal

    def catch_up(self) -> None:
        """Record how things stand, where the session was at work before it was recorded."""
        if self._journal is not None:
            self._session.record_with(self._journal)

    def poll(self) -> None:
        """Say once if nothing is recorded any more."""
        journal = self._journal
        if journal is not None and journal.warning is not None and not self._warned:
            self._warned = True
            self._view.show_messages([finding_message(journal.warning)])

    def leave_unfinished(self) -> None:
        """Record no more, and have the session offered at the next start."""
        journal, self._journal, self._session.recorder = self._journal, None, None
        if journal is not None:
            journal.close(finished=False)

    def end(self) -> None:
        """Record no more: nothing is left to go on with. The disk is not waited for."""
        journal, self._journal, self._session.recorder = self._journal, None, None
        if journal is not None:
            journal.close(finished=True, wait=False)


class Recovery:
    """Offers the last session that did not end; nothing happens unless a person wants it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where it is shown.
    view : SegmentView
        The window.
    presenter : SegmentPresenter
        That goes on with it.
    recording : Recording
        That goes on recording it.
    """

    def __init__(self, viewer: Any, view: SegmentView, presenter: SegmentPresenter, recording: Recording) -> None:
        self._viewer, self._view, self._presenter, self._recording = viewer, view, presenter, recording
        self._offered: Recoverable | None = None
        self._job: Job[Any] | None = None
        self._then: Callable[[Any], None] = self._offer

    def look(self) -> None:
        """Begin to look for sessions that did not end."""
        self._do(_found_in_steps, self._offer, "looking for sessions")

    def recover(self) -> None:
        """Go on with the session that is offered."""
        offered = self._offered
        if offered is None or self._job is not None:
            return
        if self._presenter.running:
            self._view.show_messages([Message("A run is on.", "Recover the session when it has ended.")])
            return
        self._view.show_recovery("Reading the session …", can_choose=False)
        self._do(lambda: _recovered_in_steps(offered), self._restore, "recovering")

    def discard(self) -> None:
        """Remove the session that is offered, and offer the one before it."""
        offered = self._offered
        if offered is not None and self._job is None:
            self._do(lambda: _discarded_in_steps(offered), self._offer, "discarding")

    def poll(self) -> bool:
        """Take what is done; return whether there is nothing more to wait for."""
        job = self._job
        if job is None:
            return True
        if not job.state.ended:
            return False
        self._job = None
        if job.error is not None:
            self._view.show_messages([error_message(job.error)])
            self._show_offer()
        elif job.result is not None:
            self._then(job.result)
        return self._job is None

    def shut_down(self) -> None:
        """Leave no thread."""
        if self._job is not None:
            self._job.cancel()

    def _do(self, steps: Callable[[], Steps[Any]], then: Callable[[Any], None], name: str) -> None:
        self._then = then
        self._job = Job(steps, name=name)
        self._job.start()
        self._view.start_polling()

    def _offer(self, found: tuple[Recoverable, ...]) -> None:
        self._offered = found[0] if found else None
        self._show_offer()

    def _show_offer(self) -> None:
        self._view.show_recovery("" if self._offered is None else offer_in_words(self._offered))

    def _restore(self, recovered: Recovered) -> None:
        self._offered = None
        self._view.show_recovery("")
        session, request = self._presenter.session, recovered.request
        self._recording.end()
        self._recording.go_on(recovered.journal)
        volume = request.volume
        source = volume.source
        name = source.paths[0].name if source is not None and source.paths else "Recovered image"
        layers = [
            self._viewer.add_image(data, **settings)
            for data, settings, _ in image_layers(volume, name, {"preset": request.preset.name})
        ]
        # The viewer that napari hands a plugin wraps what it returns: the list has the layers themselves.
        images = [next(layer for layer in self._viewer.layers if layer == added) for added in layers]
        session.restore(request, recovered.situation, recovered.kept)
        grid = LayerGrid.plain(volume.geometry, axis4="time" if volume.data.ndim == 5 else None)
        choices = _chosen(self._presenter.choices, images, request.preset.name, session.config)
        messages = (_RECOVERED, *map(finding_message, recovered.notes))
        self._presenter.show_restored(images[0], grid, choices, messages)


def offer_in_words(session: Recoverable) -> str:
    """Say which session did not end.

    Parameters
    ----------
    session : Recoverable
        It.
    """
    of = f" of {', '.join(session.names)}" if session.names else ""
    when = time.strftime("%d %B, %H:%M", time.localtime(session.last))
    return f"A session{of} did not end ({when}{', a run was on' if session.running else ''})."


def _chosen(choices: Choices, images: list[Any], preset: str, config: FitConfig) -> Choices:
    """Return choices that ask for what a session was asked for."""
    keys = {id(image) for image in images}
    advanced = {name: getattr(config, name) for name in ADVANCED}
    plain = replace(config, n_classes=FitConfig().n_classes) == FitConfig()
    return replace(
        choices,
        images=tuple(replace(i, chosen=i.key in keys) for i in choices.images),
        preset=preset,
        method="auto" if plain else "advanced",
        n_classes=config.n_classes,
        advanced={} if plain else advanced,
    )


def _found_in_steps() -> Steps[tuple[Recoverable, ...]]:
    yield FitReport("Looking for sessions", 0, 0)
    prune()
    return tuple(find_recoverable())


def _recovered_in_steps(offered: Recoverable) -> Steps[Recovered]:
    yield FitReport("Reading the session", 0, 0)
    return recover(offered.folder)


def _discarded_in_steps(offered: Recoverable) -> Steps[tuple[Recoverable, ...]]:
    yield FitReport("Removing the session", 0, 0)
    discard(offered.folder)
    return tuple(find_recoverable())
