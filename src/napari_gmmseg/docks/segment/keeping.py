"""Keep as…: results that were kept, how they agree with the current one, and the key that blinks between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_gmmseg.docks.common.sentences import Message, error_message
from napari_gmmseg.docks.segment.choices import AgreementRow, KeptRow
from napari_gmmseg.docks.segment.run import Run
from napari_gmmseg.docks.segment.tables import amount_of
from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.session import Job, Steps
from napari_gmmseg.session.comparing import Agreement, agreement
from napari_gmmseg.session.situation import Kept
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import FitReport, LabelMap, Segmentation

_NOTHING = Message("There is nothing to keep yet.", "Run first.")
_NOTHING_KEPT = Message("No result is kept yet.", "Keep one, change something, and press Shift+B to see both in turn.")
_OTHER_IMAGE = Message("The kept result is of another image, so it cannot be shown over this one.", "", "warning")


@dataclass(frozen=True)
class Compared:
    """What is shown of kept results, worked out on a thread of its own.

    Parameters
    ----------
    rows : tuple of KeptRow
        The list.
    sentence : str
        Which two are compared.
    table : tuple of AgreementRow
        Class by class.
    """

    rows: tuple[KeptRow, ...]
    sentence: str
    table: tuple[AgreementRow, ...]


class Keeping:
    """Keeps, compares and blinks results.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where they are shown.
    view : SegmentView
        The window.
    session : Session
        That holds them.
    find_run : callable
        Returns the run that is shown, or None.
    """

    def __init__(self, viewer: Any, view: SegmentView, session: Session, find_run: Callable[[], Run | None]) -> None:
        self._viewer, self._view, self._session, self._find_run = viewer, view, session, find_run
        self._selected: tuple[str, ...] = ()
        self._job: Job[Compared] | None = None
        self._compared: tuple[object, ...] = ()
        self._layer: Any = None
        self._layer_shows: Segmentation | None = None

    @property
    def busy(self) -> bool:
        """Whether tables are being worked out."""
        return self._job is not None

    def keep(self, name: str) -> None:
        """Keep the current result.

        Parameters
        ----------
        name : str
            What as; empty for its number of classes.
        """
        result = self._session.result
        if result is None:
            self._view.show_messages([_NOTHING])
            return
        self._session.keep_as(name.strip() or self._free_name(result))

    def _free_name(self, result: Segmentation) -> str:
        plain = f"{len(result.label_map.classes)} classes"
        taken = {kept.name for kept in self._session.kept}
        return next(n for i in range(1, len(taken) + 2) if (n := plain if i == 1 else f"{plain} ({i})") not in taken)

    def drop(self, name: str) -> None:
        """Let go of a kept result.

        Parameters
        ----------
        name : str
            Which.
        """
        self._session.drop(name)

    def select(self, names: Sequence[str]) -> None:
        """Compare a kept result with the current one, or two kept ones.

        Parameters
        ----------
        names : sequence of str
            Which; of more than two the first two.
        """
        self._selected = tuple(names)
        self.show()

    def show(self) -> None:
        """Work out what is shown, as soon as there is time."""
        self._compared = ()
        if not self._session.kept:
            self._cancel()
            self._view.show_kept(())
            self._view.show_agreement("", ())
        else:
            self._view.start_polling()

    def poll(self) -> None:
        """Begin to work tables out where something has changed, and show those that are done."""
        kept, result = self._session.kept, self._session.result
        wanted = (tuple(map(id, kept)), id(result), self._selected)
        if kept and wanted != self._compared:
            self._compared = wanted
            self._cancel()
            selected = self._selected
            self._job = Job(lambda: _steps(kept, result, selected), name="comparing")
            self._job.start()
        job = self._job
        if job is None or not job.state.ended:
            return
        self._job = None
        if job.result is not None:
            self._view.show_kept(job.result.rows)
            self._view.show_agreement(job.result.sentence, job.result.table)
        elif job.error is not None:
            self._view.show_messages([error_message(job.error)])

    def blink(self) -> None:
        """Show the kept result that is selected, else the newest; the next time the current one again."""
        run = self._find_run()
        current = None if run is None else run.result_layer
        if not self._session.kept or run is None or current is None:
            self._view.show_messages([_NOTHING_KEPT])
            return
        layer = self._layer if any(layer is self._layer for layer in self._viewer.layers) else None
        if layer is not None and layer.visible:
            layer.visible, current.visible = False, True
            return
        kept = next((k for k in self._session.kept if k.name in self._selected[:1]), self._session.kept[-1])
        if not run.fits(kept.segmentation.label_map):
            self._view.show_messages([_OTHER_IMAGE])
            return
        self._show_kept(run, kept, layer)
        current.visible = False

    def shut_down(self) -> None:
        """Leave no thread."""
        self._cancel()

    def _show_kept(self, run: Run, kept: Kept, layer: Any) -> None:
        if layer is not None and self._layer_shows is kept.segmentation:
            layer.visible = True
            return
        if layer is not None:
            self._viewer.layers.remove(layer)
        active = self._viewer.layers.selection.active
        data, settings = run.place(kept.segmentation.label_map, f"Kept: {kept.name}")
        added = self._viewer.add_labels(data, **settings)
        # The viewer that napari hands a plugin wraps what it returns: the list has the layer itself.
        self._layer = next(layer for layer in self._viewer.layers if layer == added)
        self._layer.editable = False
        self._layer_shows = kept.segmentation
        if active is not None and active in self._viewer.layers:
            self._viewer.layers.selection.active = active

    def _cancel(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()


def _steps(kept: tuple[Kept, ...], result: Segmentation | None, selected: tuple[str, ...]) -> Steps[Compared]:
    yield FitReport("Comparing", 0, 0)
    current = None if result is None else result.label_map
    rows = tuple(_row(k, current) for k in kept)
    chosen = [k for k in kept if k.name in selected][:2]
    if not chosen:
        return Compared(rows, "", ())
    a, b = chosen[0], chosen[1] if len(chosen) > 1 else None
    other = current if b is None else b.segmentation.label_map
    found = _agreement(a.segmentation.label_map, other)
    if found is None or other is None:
        return Compared(rows, f"{a.name!r} has nothing to be compared with: the current result is of another grid.", ())
    name = "the current result" if b is None else repr(b.name)
    _, _, unit = amount_of(0, other).rpartition(" ")
    sentence = f"A is {a.name!r}, B is {name}, both in {unit}; mean Dice {found.mean_dice:.3f}."
    return Compared(rows, sentence, _table(found, a.segmentation.label_map, other))


def _row(kept: Kept, current: LabelMap | None) -> KeptRow:
    label_map = kept.segmentation.label_map
    counts = label_map.counts()
    amounts = [amount_of(counts[c.value], label_map) for c in label_map.classes]
    unit = amounts[0].rpartition(" ")[2]
    found = _agreement(label_map, current)
    return KeptRow(
        name=kept.name,
        amounts=" · ".join(a.rpartition(" ")[0] for a in amounts) + f" {unit}",
        dice="" if found is None else f"{found.mean_dice:.3f}",
        tip="; ".join(f"{c.name} {a}" for c, a in zip(label_map.classes, amounts, strict=True))
        + ("" if found is None else f"; mean Dice with the current result {found.mean_dice:.3f}"),
    )


def _agreement(a: LabelMap, b: LabelMap | None) -> Agreement | None:
    return None if b is None or a.labels.shape != b.labels.shape else agreement(a, b)


def _table(found: Agreement, a: LabelMap, b: LabelMap) -> tuple[AgreementRow, ...]:
    return tuple(
        AgreementRow(
            name=c.tissue.name,
            colour=c.tissue.colour,
            amount_a=amount_of(c.voxels_a, a).rpartition(" ")[0],
            amount_b=amount_of(c.voxels_b, b).rpartition(" ")[0],
            dice=f"{c.dice:.3f}",
        )
        for c in found.classes
    )
