"""A session on the disk, to go on with after a crash and to do again. Imports neither napari, Qt nor torch."""

from napari_gmmseg.session.journal.folders import Recoverable, discard, new_folder, prune, recoverable, sessions_root
from napari_gmmseg.session.journal.history import History, RunRecord, read_history
from napari_gmmseg.session.journal.journal import Journal
from napari_gmmseg.session.journal.lines import JOURNAL
from napari_gmmseg.session.journal.recorded import recorded
from napari_gmmseg.session.journal.recovering import Recovered, recover
from napari_gmmseg.session.journal.replaying import Continuation, Replayer
from napari_gmmseg.session.journal.requests import Opened, Origin
from napari_gmmseg.session.journal.results import result_hash

__all__ = [
    "JOURNAL",
    "Continuation",
    "History",
    "Journal",
    "Opened",
    "Origin",
    "Recoverable",
    "Recovered",
    "Replayer",
    "RunRecord",
    "discard",
    "new_folder",
    "prune",
    "read_history",
    "recorded",
    "recover",
    "recoverable",
    "result_hash",
    "sessions_root",
]
