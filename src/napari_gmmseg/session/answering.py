"""Answers to strokes on threads of their own: the shown slice first, then the volume; the latest strokes win."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.jobs import Job
from napari_gmmseg.session.seeding import with_seeds
from napari_gmmseg.session.segmenting import SegmentationRequest
from napari_gmmseg.volumes import Command, Edits, FitReport, NetworkWeights, Scribbles, Segmentation

#: The volume is answered when no stroke has come for so long, in s; a slice is answered at once.
DEBOUNCE = 0.15
_Steps = Generator[FitReport, Command | None, Any]


@dataclass(frozen=True)
class Question:
    """Strokes that want an answer.

    Parameters
    ----------
    request : SegmentationRequest
        The image.
    scribbles : Scribbles
        All strokes.
    start : Segmentation or None
        The result of a fit: it tells what the classes look like that were not painted.
    network : NetworkWeights or None
        A network that was fine-tuned on this image, or carried to it, whose say counts.
    """

    request: SegmentationRequest
    scribbles: Scribbles
    start: Segmentation | None = None
    network: NetworkWeights | None = None


@dataclass(frozen=True)
class SliceAnswer:
    """The answer of one slice.

    Parameters
    ----------
    labels : ndarray (1, Y, X) or (T, 1, Y, X) uint8
        Label values.
    slice_index : int
        Position on the volume's Z axis.
    """

    labels: NDArray[np.uint8]
    slice_index: int

    def edited(self, edits: Edits | None) -> SliceAnswer:
        """Return it with what a person set in the slice.

        Parameters
        ----------
        edits : Edits or None
            Of the whole grid.
        """
        if edits is None or not len(edits):
            return self
        voxels = edits.voxels
        here = voxels[:, -3] == self.slice_index
        where = voxels[here].copy()
        where[:, -3] = 0
        labels = self.labels.copy()
        labels[tuple(where.T)] = edits.values[here]
        return SliceAnswer(labels, self.slice_index)


class _Case:
    """An image that is made ready once, and what is kept of it between strokes; asked by two threads."""

    def __init__(self, request: SegmentationRequest) -> None:
        self._request = request
        self._lock = threading.Lock()
        self._ready: tuple[Any, Any, Any, Any] | None = None
        self._say: tuple[NetworkWeights, Any] | None = None

    def say(self, weights: NetworkWeights | None) -> Any:
        """Return what a network says of the image, whose predictions are kept for the next stroke; None without one."""
        from napari_gmmseg.fitting.scribbling import NetworkSay

        if weights is None:
            return None
        volume, prepared, _, _ = self.ready()
        with self._lock:
            if self._say is None or self._say[0] is not weights:
                self._say = weights, NetworkSay(volume, prepared, weights, threading.Lock())
            return self._say[1]

    def ready(self) -> tuple[Any, Any, Any, Any]:
        """Return volume, mask and scale, and what answers slices and the volume, each for a thread of its own."""
        from napari_gmmseg.fitting.scribbling import AtOnce
        from napari_gmmseg.io.atlas import read_atlas
        from napari_gmmseg.networks.brain_extraction import extract_brain
        from napari_gmmseg.preparation import prepare_case

        with self._lock:
            if self._ready is None:
                request = self._request
                volume, prepared = prepare_case(
                    request.volume,
                    request.preparation,
                    mask=request.mask,
                    region=request.region,
                    preset=request.preset,
                    n_classes=request.config.n_classes,
                    atlas=read_atlas if request.proposes_brain else None,
                    engine=extract_brain,
                )
                self._ready = volume, prepared, AtOnce(volume, prepared), AtOnce(volume, prepared)
            return self._ready


def answer_in_steps(question: Question) -> _Steps:
    """Answer strokes on the whole image anew, as a generator: what a session's answer is compared with.

    Parameters
    ----------
    question : Question
        Image and strokes, and what else tells of them.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Segmentation
        The answer.
    """
    return (yield from _volume_in_steps(_Case(question.request), question))


def _volume_in_steps(case: _Case, question: Question) -> _Steps:
    from napari_gmmseg.fitting.scribbling import fit_scribbles

    yield FitReport("Scribbles", 0, 0)
    volume, prepared, _, at_once = case.ready()
    scribbles, network = with_seeds(question.scribbles, question.start), case.say(question.network)
    steps = fit_scribbles(volume, prepared, scribbles, at_once=at_once, network=network, painted=question.scribbles)
    return (yield from steps)


class Answering:
    """Has strokes answered; for one thread, which polls.

    Parameters
    ----------
    clock : callable
        Returns the time in s.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._case: _Case | None = None
        self._request: SegmentationRequest | None = None
        self._question: Question | None = None
        self._asked_at = float("-inf")
        self._look: int | None = None
        self._looked: int | None = None
        self._slice: tuple[Question, Job[SliceAnswer]] | None = None
        self._volume: tuple[Question, Job[Segmentation]] | None = None
        self._warming: list[Job[None]] = []
        self._others: list[Job[Any]] = []

    @property
    def busy(self) -> bool:
        """Whether strokes wait for their answer."""
        return self._question is not None

    @property
    def warming(self) -> bool:
        """Whether the image is being made ready for the first stroke."""
        self._warming = [job for job in self._warming if not job.state.ended]
        return bool(self._warming)

    def warm(self, request: SegmentationRequest, network: NetworkWeights | None = None) -> None:
        """Make an image ready for its first stroke.

        Parameters
        ----------
        request : SegmentationRequest
            The image.
        network : NetworkWeights or None
            Whose say will count.
        """
        case = self._case_of(request)

        def steps() -> _Steps:
            yield FitReport("Preparing the image", 0, 0)
            case.ready()
            if network is not None:
                case.say(network).warm()

        self._warming.append(Job(steps, name="scribbles-warming"))
        self._warming[-1].start()

    def ask(self, question: Question, look: int) -> None:
        """Have strokes answered; what was asked before is dropped.

        Parameters
        ----------
        question : Question
            The strokes.
        look : int
            The slice that is shown.
        """
        self._question, self._look, self._looked = question, look, None
        self._asked_at = self._clock()
        self._case_of(question.request)
        if self._volume is not None:
            self._volume[1].cancel()
        self._start()

    def look(self, slice_index: int) -> None:
        """Have another slice answered first, as long as the volume is not.

        Parameters
        ----------
        slice_index : int
            Position on the volume's Z axis.
        """
        self._look = slice_index

    def forget(self) -> None:
        """Answer nothing that was asked."""
        self._question = None
        for held in (self._slice, self._volume):
            if held is not None:
                held[1].cancel()

    def wait_for(self, job: Job[Any]) -> None:
        """Have the volume answered once a job has ended that works with what `engine` returns, such as a cancelled one.

        Parameters
        ----------
        job : Job
            Whose thread may be at work still.
        """
        self._others = [other for other in (*self._others, job) if not other.join(0)]

    def poll(self) -> list[tuple[Question, SliceAnswer | Segmentation | GmmsegError]]:
        """Return what was answered since this was last called: of the newest strokes only."""
        found: list[tuple[Question, SliceAnswer | Segmentation | GmmsegError]] = []
        for job_of in ("_slice", "_volume"):
            held = getattr(self, job_of)
            if held is None or not held[1].state.ended:
                continue
            setattr(self, job_of, None)
            question, job = held
            outcome = job.result if job.error is None else job.error
            if self._question is None or question is not self._question or outcome is None:
                continue
            if isinstance(outcome, GmmsegError | Segmentation):
                self._question = None
            found.append((question, outcome))
        self._start()
        return found

    def close(self) -> None:
        """Wait for all threads."""
        self.forget()
        jobs = [held[1] for held in (self._slice, self._volume) if held is not None]
        for job in (*jobs, *self._warming):
            job.cancel()
            job.join()
        self._slice = self._volume = None
        self._warming = []

    def engine(self, request: SegmentationRequest) -> Callable[[], tuple[Any, Any, Any]]:
        """Return what gives an image, its mask and scale, and what answers its volume, once that is free.

        Parameters
        ----------
        request : SegmentationRequest
            The image.
        """
        case, held = self._case_of(request), self._volume

        def ready() -> tuple[Any, Any, Any]:
            if held is not None:
                held[1].join()
            volume, prepared, _, at_once = case.ready()
            return volume, prepared, at_once

        return ready

    def _start(self) -> None:
        """Begin with the slice, and with the volume once no stroke came for a while.

        What is dropped is waited for: each of the two keeps arrays between strokes that no two threads may use.
        """
        question = self._question
        if question is None:
            return
        z = self._look
        n_slices = question.scribbles.shape[-3]
        one_slice, is_there = n_slices == 1, z is not None and 0 <= z < n_slices
        if self._slice is None and z is not None and is_there and z != self._looked and not one_slice:
            self._looked = z
            self._slice = question, self._begin(lambda: self._slice_in_steps(question, z), "scribbles-slice")
        waited = one_slice or (self._slice is None and self._clock() - self._asked_at >= DEBOUNCE)
        if self._volume is None and waited:
            self._volume = question, self._begin(lambda: self._answer_in_steps(question), "scribbles-volume")

    def _slice_in_steps(self, question: Question, z: int) -> _Steps:
        case = self._case_of(question.request)
        yield FitReport("Scribbles", 0, 0)
        _, _, at_once, _ = case.ready()
        told, network = with_seeds(question.scribbles, question.start), case.say(question.network)
        if network is None:
            return SliceAnswer(at_once.update(told, z).labels, z)
        return SliceAnswer(network.answer(at_once, told, question.scribbles, z).labels, z)

    def _answer_in_steps(self, question: Question) -> _Steps:
        for other in self._others:
            other.join()
        return (yield from _volume_in_steps(self._case_of(question.request), question))

    @staticmethod
    def _begin(steps: Callable[[], _Steps], name: str) -> Job[Any]:
        job: Job[Any] = Job(steps, name=name)
        job.start()
        return job

    def _case_of(self, request: SegmentationRequest) -> _Case:
        if self._case is None or self._request is None or not _same(self._request, request):
            self._case, self._request = _Case(request), request
        return self._case


def _same(a: SegmentationRequest, b: SegmentationRequest) -> bool:
    """Whether two requests are of one image, for an answer that no other setting matters for."""
    return all(getattr(a, n) is getattr(b, n) for n in ("volume", "preset", "mask", "region", "preparation"))
