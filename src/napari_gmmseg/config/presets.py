"""Presets: what a kind of image holds, and what its classes are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.volumes import ClassTable, Colour, TissueClass

SKY_BLUE: Colour = (0.337, 0.706, 0.914)
ORANGE: Colour = (0.902, 0.624, 0.0)
BLUISH_GREEN: Colour = (0.0, 0.620, 0.451)
VERMILLION: Colour = (0.835, 0.369, 0.0)
MAGENTA: Colour = (0.800, 0.475, 0.655)
YELLOW: Colour = (0.941, 0.894, 0.259)
BLUE: Colour = (0.0, 0.447, 0.698)
GREY: Colour = (0.6, 0.6, 0.6)

#: Colour-blind-safe colours (Okabe and Ito) for classes without a meaning, in order.
CYCLE: tuple[Colour, ...] = (SKY_BLUE, ORANGE, BLUISH_GREEN, MAGENTA, YELLOW, VERMILLION, BLUE, GREY)

CSF = TissueClass(1, "Cerebrospinal fluid", "CSF", SKY_BLUE, "csf", {"t1": 0, "t1gd": 0, "flair": 0, "t2": 2, "pd": 2})
GM = TissueClass(2, "Grey matter", "GM", ORANGE, "gm", {"t1": 1, "t1gd": 1, "flair": 2, "t2": 1, "pd": 1})
WM = TissueClass(3, "White matter", "WM", BLUISH_GREEN, "wm", {"t1": 2, "t1gd": 2, "flair": 1, "t2": 0, "pd": 0})

#: What is brighter than tissue without anybody knowing why: never a tumour's name, and the same value in every case.
BRIGHT_FLAIR = TissueClass(4, "Bright on FLAIR", "U1", YELLOW, "bright-flair")
BRIGHT_T1GD = TissueClass(5, "Bright on T1Gd", "U2", VERMILLION, "bright-t1gd")

BLOOD = TissueClass(1, "Blood", "BLD", VERMILLION, "blood", {"bssfp": 3, "lge": 2, "t2": 0})
MUSCLE = TissueClass(2, "Healthy muscle", "MYO", BLUISH_GREEN, "muscle", {"bssfp": 0, "lge": 0, "t2": 1})
OEDEMA = TissueClass(3, "Oedema", "EDM", YELLOW, "oedema", {"bssfp": 2, "lge": 1, "t2": 3})
SCAR = TissueClass(4, "Scar", "SCR", MAGENTA, "scar", {"bssfp": 1, "lge": 3, "t2": 2})


@dataclass(frozen=True)
class Preset:
    """One kind of image.

    Parameters
    ----------
    name, title : str
        For the command line, and for a person.
    contrasts : tuple of str
        Contrasts of its channels in the order in which they are expected.
    classes : ClassTable or None
        Meanings; None where classes are numbered by rising intensity. `classes_in` tells those of an image.
    needs_region : bool
        True where a person has to say where to look (the left ventricle).
    tip : str
        One sentence.
    needs_all_contrasts : bool
        True where classes may be named only if every contrast is there.
    """

    name: str
    title: str
    contrasts: tuple[str, ...]
    classes: ClassTable | None
    needs_region: bool
    tip: str
    needs_all_contrasts: bool = False

    def classes_in(self, contrasts: Sequence[str], n_classes: int | None = None) -> ClassTable | None:
        """Return the classes that an image can tell apart; None where they have no meaning.

        An unnamed class is left out where the contrast in which it is bright is not there, and the last ones where
        fewer classes are wanted.

        Parameters
        ----------
        contrasts : sequence of str
            Of the image's channels.
        n_classes : int or None
            How many are wanted; None: as many as there can be.

        Returns
        -------
        ClassTable or None
            None, too, where another number is wanted than there can be.
        """
        if self.classes is None:
            return None
        known = tuple(tissue for tissue in self.classes if not tissue.bright_in or tissue.bright_in in contrasts)
        fewest = sum(not tissue.bright_in for tissue in known)
        wanted = len(known) if n_classes is None else n_classes
        if not fewest <= wanted <= len(known):
            return None
        return self.classes if wanted == len(self.classes) else ClassTable(known[:wanted])


_BRAIN = ClassTable((CSF, GM, WM))

PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (
        Preset("brain-t1", "Brain T1", ("t1",), _BRAIN, False, "Brain without skull: CSF, grey and white matter."),
        Preset(
            "brain-multi",
            "Brain T1 + T2 + FLAIR",
            ("t1", "t2", "flair"),
            _BRAIN,
            False,
            "Brain without skull in several contrasts: CSF, grey and white matter.",
        ),
        Preset(
            "cardiac",
            "Cardiac bSSFP + LGE + T2",
            ("bssfp", "lge", "t2"),
            ClassTable((BLOOD, MUSCLE, OEDEMA, SCAR)),
            True,
            "Inside a left ventricle: blood, healthy muscle, oedema and scar.",
            True,
        ),
        Preset(
            "glioma",
            "Glioma T1 + T1Gd + T2 + FLAIR",
            ("t1", "t1gd", "t2", "flair"),
            ClassTable((CSF, GM, WM, BRIGHT_FLAIR, BRIGHT_T1GD)),
            False,
            "Brain with a tumour, without skull: tissues, and what is bright on FLAIR or T1Gd, without a name for it.",
        ),
        Preset(
            "custom",
            "Custom",
            (),
            None,
            False,
            "Any image: classes numbered by rising mean of the first channel.",
        ),
    )
}


def find_preset(name: str) -> Preset:
    """Return a preset by its name.

    Parameters
    ----------
    name : str
        Name, e.g. "brain-t1".

    Raises
    ------
    SettingsError
        Where there is no such preset.
    """
    if name not in PRESETS:
        raise SettingsError(f"There is no preset {name!r}.", f"Choose one of: {', '.join(PRESETS)}.")
    return PRESETS[name]


def numbered_classes(n_classes: int) -> ClassTable:
    """Return a table of classes without meaning, numbered 1 ... K by rising intensity of the first channel.

    Parameters
    ----------
    n_classes : int
        Number of classes K.
    """
    return ClassTable(
        tuple(TissueClass(k + 1, f"Class {k + 1}", f"C{k + 1}", CYCLE[k % len(CYCLE)]) for k in range(n_classes))
    )


def new_class(table: ClassTable, reserved: ClassTable | None = None) -> TissueClass:
    """Return a class whose label value, name and colour none of a table has.

    Parameters
    ----------
    table : ClassTable
        The others.
    reserved : ClassTable or None
        Classes that are not there, and whose label values keep their meaning all the same.

    Raises
    ------
    SettingsError
        Where all label values are taken.
    """
    others = (*table, *(reserved or ()))
    taken = {tissue.value for tissue in others}
    value = next((value for value in range(1, 256) if value not in taken), None)
    if value is None:
        raise SettingsError("All 255 label values are taken.", "Merge two classes first.")
    seen, names = {tissue.colour for tissue in others}, {tissue.name for tissue in others}
    unused = [colour for colour in CYCLE if colour not in seen]
    number = next(n for n in range(value, value + len(others) + 1) if f"Class {n}" not in names)
    return TissueClass(value, f"Class {number}", f"C{number}", unused[0] if unused else CYCLE[value % len(CYCLE)])
