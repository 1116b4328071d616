"""Voxels of the result that are set by hand in the viewer: brush, fill, drop an island, interpolate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.scribble.shown import EditTool, ScribbleLine, tool_in_words
from napari_gmmseg.docks.scribble.workplace import Workplace
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import UNLABELLED

_NO_RESULT = Message("There is no result to edit yet.", "Paint a stroke in each class first.")
_BESIDE = Message("That is not a voxel of the result.", "Point at it in a slice, not in the 3D view.")


class Editor:
    """Takes what the mouse and the buttons say to edits of the session; for the GUI thread.

    Parameters
    ----------
    session : Session
        Whose result.
    brush : callable
        Returns the brush's diameter in mm, and whether it is a ball through the slices.
    say : callable
        Takes messages.
    """

    def __init__(
        self, session: Session, brush: Callable[[], tuple[float, bool]], say: Callable[[Message], object]
    ) -> None:
        self._session, self._brush, self._say = session, brush, say
        self._bound: Workplace | None = None
        self._value = UNLABELLED
        self.on = False
        self.tool: EditTool = "brush"

    @property
    def n_edited(self) -> int:
        """Voxels that are set by hand."""
        return 0 if self._session.edits is None else len(self._session.edits)

    def bind(self, bound: Workplace | None) -> None:
        """Edit in the layers of another image from now on, or in none.

        Parameters
        ----------
        bound : Workplace or None
            The image's layers.
        """
        self._bound, self.on = bound, False
        if bound is not None:
            bound.answer.pointed = self.point

    def turn(self, *, on: bool) -> None:
        """Begin to edit the result, or end it.

        Parameters
        ----------
        on : bool
            Whether to edit.
        """
        if on and not self._can_edit():
            on = False
        self.on = on
        if not on and self._bound is not None:
            self._bound.answer.rest()

    def choose(self, value: int) -> None:
        """Set voxels to another class from now on.

        Parameters
        ----------
        value : int
            Its label value; `UNLABELLED` for background.
        """
        self._value = value
        self._take_tool()

    def use(self, tool: EditTool) -> None:
        """Choose what a click does.

        Parameters
        ----------
        tool : "brush", "fill" or "island"
            Paint voxels, fill the region that is pointed at, or drop it.
        """
        self.tool = tool
        self._take_tool()

    def point(self, voxel: Sequence[int] | None) -> None:
        """Fill or drop the region that was clicked at.

        Parameters
        ----------
        voxel : sequence of int or None
            On the volume's grid; None beside the result.
        """
        if not self.on or self.tool == "brush" or self._bound is None:
            return
        if voxel is None:
            self._say(_BESIDE)
        elif self.tool == "fill":
            plane = None if self._brush()[1] else self._bound.across
            self._session.fill(voxel, self._value, plane=plane)
        else:
            self._session.drop_island(voxel)

    def drop_under_mouse(self) -> None:
        """Drop the region that the mouse is over."""
        if self._bound is None or not self._can_edit():
            return
        voxel = self._bound.answer.voxel_under_mouse()
        if voxel is None:
            self._say(_BESIDE)
        else:
            self._session.drop_island(voxel)

    def interpolate(self) -> None:
        """Continue the chosen class through the slices between those in which it was edited."""
        if self._bound is None or not self._can_edit():
            return
        if self._value not in [line.value for line in self._bound.lines]:
            self._say(Message("No class is chosen.", "Choose the one that is to be continued between its slices."))
            return
        self._session.interpolate(self._value, axis=self._bound.across, frame=self._bound.frame)

    def in_words(self, lines: Collection[ScribbleLine]) -> str:
        """Say what a click does, and how much is set by hand.

        Parameters
        ----------
        lines : collection of ScribbleLine
            The classes.
        """
        name = "background" if self._value == UNLABELLED else tool_in_words(self._value, lines)
        does = {
            "brush": f"The brush sets the result to: {name}.",
            "fill": f"A click fills the region there with: {name}.",
            "island": "A click drops the island there: it takes the class around it.",
        }[self.tool]
        n = self.n_edited
        held = f" Set by hand: {n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") + f" voxel{'s' if n > 1 else ''}."
        return f"{does}{held if n else ''}{' Working it out …' if self._session.editing else ''}"

    def _can_edit(self) -> bool:
        if self._bound is None or self._session.result is None:
            self._say(_NO_RESULT)
            return False
        return True

    def _take_tool(self) -> None:
        if self._bound is None or not self.on:
            return
        if self.tool == "brush":
            self._bound.answer.edit(self._value)
        else:
            self._bound.answer.point()
