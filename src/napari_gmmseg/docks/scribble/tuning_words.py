"""What the Scribble dock says of a fine-tuning."""

from __future__ import annotations

from napari_gmmseg.docks.scribble.shown import Tuning
from napari_gmmseg.session.state import Session


def tuning_of(session: Session, *, painted: bool) -> Tuning:
    """Return what is shown of a session's fine-tuning.

    Parameters
    ----------
    session : Session
        Whose.
    painted : bool
        Whether there are strokes to learn from.
    """
    job, progress = session.tuning, session.tuning_progress
    if job is None:
        return Tuning(can_begin=painted and not session.running)
    if progress is None:
        return Tuning(on=True, paused=job.pausing, text="Preparing the network …", fraction=None)
    report = progress.report
    text = f"{report.phase}: step {report.step}, {report.seconds:.0f} s"
    if progress.remaining is not None:
        text += f", {progress.remaining:.0f} s left"
    return Tuning(
        on=True,
        paused=job.pausing,
        text=f"Paused. {text}" if job.pausing else text,
        fraction=report.step / report.n_steps if report.n_steps else None,
    )
