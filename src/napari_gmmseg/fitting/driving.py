"""Drive a method: commands in, reports out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig, Preset, recorded_config
from napari_gmmseg.config.memory import Savings
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.fitting.commands import Names, translate
from napari_gmmseg.fitting.deep.fitting import fit_deep
from napari_gmmseg.fitting.live import Change, apply_change
from napari_gmmseg.fitting.memory import Plan, plan_again, plan_memory
from napari_gmmseg.fitting.methods import fit_gmm, fit_spatial
from napari_gmmseg.fitting.progress import Fitted, Method, Progress, Told
from napari_gmmseg.fitting.refining import fit_auto
from napari_gmmseg.fitting.results import label_values, segmentation_of
from napari_gmmseg.fitting.runtime import choose_device, choose_threads, ran_out, torch_threads
from napari_gmmseg.fitting.shading import carried_on, fit_shaded, seeking, with_field
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import (
    BiasField,
    ClassTable,
    Command,
    Finding,
    FitReport,
    FitState,
    Look,
    Mixture,
    Segmentation,
    Stop,
    Volume,
)

PHASES = {"gmm": "Gaussian mixture", "svgmm": "Spatially variant mixture"}


class Driver:
    """Runs a method: translates commands and reports, begins anew where it has to.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Mask, crop and scale.
    config : FitConfig
        How to fit.
    preset : Preset
        What the classes mean.
    fixed_labels : ndarray (*grid) integer or None
        Known class of a voxel, or -1.
    look : int or None
        The slice of the volume's Z axis that is previewed first.
    plans : sequence of mapping
        How an earlier run of this fit was done within its memory: so is this.
    """

    def __init__(
        self,
        volume: Volume,
        prepared: Prepared,
        config: FitConfig,
        preset: Preset,
        fixed_labels: NDArray[np.integer[Any]] | None,
        look: int | None,
        plans: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._began = time.perf_counter()
        self._volume, self._prepared, self._preset = volume, prepared, preset
        self._config, self._fixed_labels, self._look = config, fixed_labels, look
        self._names = Names(volume, prepared, preset)
        self._history: list[FitReport] = []
        self._reported_before = 0
        self._stopped = False
        self._looked: Look | None = None
        self._refused: Finding | None = None
        self._fitted: Fitted | None = None
        self._view: tuple[ClassTable, NDArray[np.int64]] | None = None
        self._pending: Progress | None = None
        self._last: Mixture | None = None
        #: What was noticed of the machine, and of that what no report has told yet.
        self._noticed: list[Finding] = []
        self._told_of = 0
        self._predicted = 0
        self._plans = plans
        self._planned: Mapping[str, Any] | None = None

    def _cut(self, config: FitConfig, known: tuple[int, ...] = ()) -> FitTask:
        plan = self._plan(config, exactly=not known)
        fixed, look = self._fixed_labels, self._look if self._looked is None else self._looked.slice_index
        task = FitTask.cut(self._volume, self._prepared, plan.config, plan.device, fixed, look, known=known)
        self._predicted = plan.predicted
        self._noticed.extend(plan.findings)
        return replace(task, savings=plan.savings, bright=self._bright(plan.config.n_classes))

    def _bright(self, n_classes: int) -> tuple[str, ...]:
        """Return the contrasts in which a class without a name is looked for, beside the tissues."""
        table = self._preset.classes_in(self._volume.channels, n_classes)
        named = table is not None and self._prepared.tissue_names
        return tuple(tissue.bright_in for tissue in table or () if tissue.bright_in) if named else ()

    def _plan(self, config: FitConfig, *, exactly: bool) -> Plan:
        """Return the plan that was made at this report, or, where a run is taken up, before it; else a new one."""
        at, device = self._reported_before + len(self._history), choose_device(config.device)
        earlier = [plan for plan in self._plans if plan["at"] == at or (plan["at"] < at and not exactly)]
        case = self._volume, self._prepared, config, device
        plan = plan_again(earlier[-1], *case) if earlier else plan_memory(*case)
        self._planned = plan.told(at)
        return plan

    def begin(self, start: Segmentation | None, state: FitState | None) -> None:
        """Make the method that the settings mean.

        Parameters
        ----------
        start : Segmentation or None
            An earlier result to go on from.
        state : FitState or None
            Where an earlier fit stood.

        Raises
        ------
        SettingsError
            Where settings do not fit the data or the machine.
        """
        mixture = None
        with torch_threads(choose_threads(self._config.threads)):
            if state is not None:
                self._task = self._restored(state)
            elif start is not None:
                self._task, mixture = self._taken_up(start)
            else:
                self._task = seeking(self._cut(self._config))
        self.threads = choose_threads(self._task.config.threads)
        self._method = _method(self._task, mixture, state)
        self._first = True

    def _restored(self, state: FitState) -> FitTask:
        meta = state.meta
        identities, known = tuple(meta["identities"]), tuple(meta["known"])
        self._names.restore(meta["names"])
        self._reported_before = int(meta["reports"])
        task = self._cut(recorded_config(meta["config"]), tuple(identities.index(identity) for identity in known))
        field = meta.get("bias_field")
        return replace(
            with_field(task, None if field is None else BiasField.of(field)),
            identities=identities,
            known=known,
            origins=tuple((int(a), int(b)) for a, b in meta["origins"]),
            next_identity=int(meta["next_identity"]),
            locked=frozenset(meta["locked"]),
            widths_set=bool(meta["widths_set"]),
            bright=tuple(meta.get("bright", ())),
            savings=Savings(**meta["savings"]),
        )

    def _taken_up(self, start: Segmentation) -> tuple[FitTask, Mixture]:
        """Return the Gaussians of an earlier result, with as many classes as are wanted, under their names."""
        wanted, table = self._config, start.label_map.classes
        bright = tuple(tissue.bright_in for tissue in table if tissue.bright_in)
        task = carried_on(replace(self._cut(replace(wanted, n_classes=len(table))), bright=bright), start)
        self._names.keep(table, np.arange(len(table)), task.identities)
        meant = frozenset(k for k, tissue in enumerate(table) if tissue.role)
        changed = apply_change(task, start.mixture, Change(wanted, protected=meant))
        return changed.task, changed.mixture

    def advance(self, command: Command | None) -> FitReport | None:
        """Tell the method what it is told, and return its next report; None at the end.

        Parameters
        ----------
        command : Command or None
            What a person wants.
        """
        told = self._told(command)
        try:
            progress = self._next(told)
        except StopIteration as end:
            self._fitted = end.value
            return None
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error) or self._task.image.device.type == "cpu":
                raise
            progress = self._on_processor(told)
        self._first, self._last = False, progress.mixture
        if isinstance(told, Change) and progress.refused is None and self._view is not None:
            self._names.keep(*self._view, self._task.identities)
        self._task = progress.task or self._task
        self.threads = choose_threads(self._task.config.threads)
        table, entry = self._names.table(progress.named_by or progress.mixture, self._task)
        self._view = table, entry
        refused, self._refused = self._refused or progress.refused, None
        report = self._report(progress, table, entry, refused)
        self._history.append(replace(report, preview=None, mixture=None, state=None, plan=None))
        return report

    def _next(self, told: Told | None) -> Progress:
        pending, self._pending = self._pending, None
        if pending is not None:
            return pending
        return next(self._method) if told is None or self._first else self._method.send(told)

    def _on_processor(self, told: Told | None) -> Progress:
        """Begin what the card has no memory for on the processor, from the last Gaussians."""
        self._method.close()
        self._task = replace(self._task.to(torch.device("cpu")), savings=Savings())
        self._noticed.append(
            Finding(
                "out-of-memory",
                "The memory of the card ran out: it went on from the last Gaussians on the processor.",
                "The result is valid; --device cpu does so from the start.",
                "note",
            )
        )
        self._method = _method(self._task, self._last, None)
        first = next(self._method)
        # What the fit was told as the memory ran out, it has not heard.
        return first if told is None else self._method.send(told)

    def _told(self, command: Command | None) -> Told | None:
        """Return what the method is told; begins anew where a setting asks for it."""
        self._looked = command if isinstance(command, Look) else self._looked
        self._stopped = self._stopped or isinstance(command, Stop)
        if self._stopped:
            return Stop()
        if command is None or self._view is None:
            return self._reminder()
        told = translate(command, self._task, *self._view)
        if isinstance(told, Finding):
            self._refused = told
            return None
        if isinstance(told, FitConfig):
            self._anew(told)
            return None
        return told

    def _anew(self, config: FitConfig) -> None:
        """Begin with other settings; where they do not go together, the fit goes on as it was."""
        try:
            task = seeking(self._cut(config))
            method = _method(task, None, None)
            # A method checks its settings in its first step.
            pending = next(method)
        except GmmsegError as error:
            self._refused = Finding("refused", error.message, error.hint)
            return
        self._method.close()
        self._task, self._method, self._pending = task, method, pending
        self._names = Names(self._volume, self._prepared, self._preset)

    def _reminder(self) -> Look | None:
        """A phase that previews slices has not heard of a look that was told to the one before."""
        last = [report.phase for report in self._history[-2:]]
        begins = len(last) == 2 and last[0] != last[1]
        return self._looked if begins else None

    def _report(
        self, progress: Progress, table: ClassTable, entry: NDArray[np.int64], refused: Finding | None
    ) -> FitReport:
        preview = None
        if progress.labels is not None:
            preview = label_values(table, entry)[self._task.whole(progress.labels)]
        state, plan = progress.state, None
        if progress.n_steps > 0:
            plan, self._planned = self._planned, None
        if state is not None:
            reports = self._reported_before + len(self._history) + 1
            bright = list(self._task.bright)
            field = None if self._task.bias_field is None else self._task.bias_field.told()
            more = {"reports": reports, "bright": bright, "bias_field": field}
            meta = {**state.meta, "names": self._names.values(), **more}
            state = replace(state, meta=meta)
        return FitReport(
            phase=progress.phase or PHASES[self._task.config.method],
            step=progress.step,
            n_steps=progress.n_steps,
            log_likelihood=progress.log_likelihood,
            terms=dict(progress.terms),
            seconds=time.perf_counter() - self._began,
            preview=preview,
            mixture=replace(progress.mixture, class_of=entry[progress.mixture.class_of]),
            classes=table,
            state=state,
            refused=refused,
            findings=(*self._fresh_findings(), *progress.findings),
            plan=plan,
        )

    def _fresh_findings(self) -> list[Finding]:
        fresh, self._told_of = self._noticed[self._told_of :], len(self._noticed)
        return fresh

    def close(self) -> None:
        """End the method."""
        self._method.close()

    def result(self) -> Segmentation:
        """Return the segmentation.

        Raises
        ------
        RuntimeError
            Where the method has not ended.
        """
        if self._fitted is None:
            raise RuntimeError("The fit has not ended.")
        seconds = time.perf_counter() - self._began
        task = self._fitted.task or self._task
        machine = {"device": str(task.image.device), "threads": self.threads, "seconds": seconds}
        machine["predicted_memory_mb"] = round(self._predicted / 1e6)
        result = segmentation_of(self._fitted, task, self._preset, self._names, machine, stopped=self._stopped)
        findings = (*result.findings, *self._noticed)
        return replace(result, findings=findings, history=tuple(self._history))


def _method(task: FitTask, start: Mixture | None, state: FitState | None) -> Method:
    """Return what the settings mean."""
    if task.seeks_field:
        return fit_shaded(task, start, lambda cut, begin: _method(cut, begin, state))
    name = task.config.method
    if name == "auto":
        return fit_auto(task, start, state)
    if name == "spatial":
        return fit_spatial(task, start)
    if name in ("deepg", "deepsvg", "blindspot"):
        return fit_deep(task, name, start, state)
    return fit_gmm(task, spatially_variant=name == "svgmm", start=start)
