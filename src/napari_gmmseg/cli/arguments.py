"""From words to a command; what makes no sense is told as one error and one hint, like everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from difflib import get_close_matches
from io import StringIO
from typing import Annotated, Protocol

import tyro

from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.batch import Batch
from napari_gmmseg.cli.demo import Demo
from napari_gmmseg.cli.doctor import Doctor
from napari_gmmseg.cli.evaluate import Evaluate
from napari_gmmseg.cli.finetune import Finetune
from napari_gmmseg.cli.opening import Open
from napari_gmmseg.cli.predict import Predict
from napari_gmmseg.cli.replay import Replay
from napari_gmmseg.cli.resume import Resume
from napari_gmmseg.cli.segment import Segment
from napari_gmmseg.cli.train import Train
from napari_gmmseg.errors import SettingsError

PROGRAM = "napari-gmmseg"
COMMANDS = (
    "demo",
    "open",
    "segment",
    "batch",
    "finetune",
    "train",
    "predict",
    "resume",
    "replay",
    "evaluate",
    "doctor",
)
_DESCRIPTION = (
    "Segment MRI without labels: Gaussian mixture models, spatial and deep. `--version` prints the version. "
    "Exit codes: 0 done, 1 a replayed result is another or a case of a batch failed, 2 a mistake in what was asked "
    "(with a hint), 3 out of memory or disk space, 130 interrupted."
)
_Commands = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Open, tyro.conf.subcommand("open")]
    | Annotated[Segment, tyro.conf.subcommand("segment")]
    | Annotated[Batch, tyro.conf.subcommand("batch")]
    | Annotated[Finetune, tyro.conf.subcommand("finetune")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Predict, tyro.conf.subcommand("predict")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
    | Annotated[Replay, tyro.conf.subcommand("replay")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)
#: What frames the parser's words: corners, sides and rules, in lines or in plain characters.
_FRAME = re.compile(r"^[╭╰+]|[╮╯+]$|^[│|]|[│|]$|[─-]{5,}", re.MULTILINE)
_CHOICE = re.compile(
    r"invalid choice (?P<value>'[^']*') for argument '(?P<flag>[^']+)'. Expected one of \((?P<all>.*?)\)"
)
_VALUE = re.compile(r"Error parsing (?P<flag>[^:]+): .*? from \[(?P<value>.*?)\]\.")
_HELP_OF_FLAG = re.compile(r"Argument helptext: (?P<help>.*?)(?: \((?:default: )[^)]*\))?(?: For full helptext.*)?$")
_UNKNOWN = re.compile(r"Unrecognized options: (?P<words>.*?)(?= Perhaps you meant| Available | For full |$)")
_NEAR = re.compile(r"Perhaps you meant:? (?P<near>--[\w-]+)")
_MISSING = re.compile(r"Missing from [\w -]+: (?P<what>.*?)(?: For full helptext.*)?$")


class Command(Protocol):
    """What every command has."""

    @property
    def json(self) -> bool:
        """Whether standard output holds one JSON object and nothing else."""

    def run(self, errand: Errand, /) -> Answer:
        """Do it.

        Parameters
        ----------
        errand : Errand
            Where the files that are to be written are noted.
        """


def parse(argv: Sequence[str]) -> Command:
    """Return the command that arguments ask for.

    Parameters
    ----------
    argv : sequence of str
        Arguments without the program's name.

    Raises
    ------
    SettingsError
        Where they make no sense.
    SystemExit
        Where they ask for help (code 0).
    """
    name = argv[0] if argv else "--help"
    if not name.startswith("-") and name not in COMMANDS:
        near = "".join(f"Perhaps {other}? " for other in get_close_matches(name, COMMANDS, 1))
        raise SettingsError(
            f"There is no command {name!r}.",
            f"{near}Commands are {', '.join(COMMANDS)}; `{PROGRAM} --help` tells more.",
        )
    told = StringIO()
    try:
        with redirect_stderr(told):
            command: Command = tyro.cli(
                _Commands,
                prog=PROGRAM,
                description=_DESCRIPTION,
                args=list(argv) or ["--help"],
                config=(
                    tyro.conf.FlagCreatePairsOff,
                    tyro.conf.OmitArgPrefixes,
                    tyro.conf.DisallowNone,
                    tyro.conf.HelptextFromCommentsOff,
                ),
            )
    except SystemExit as leave:
        if not leave.code:
            raise
        raise complaint(told.getvalue(), name) from leave
    return command


def complaint(told: str, name: str) -> SettingsError:
    """Return what the parser printed into its frame as one error with one hint.

    Parameters
    ----------
    told : str
        The frame.
    name : str
        The command, for the hint.
    """
    first, *rest = _FRAME.sub("", told).strip().splitlines() or [""]
    title, text = first.strip(" ─-"), re.sub(r"\[/?bold\]", "", " ".join(" ".join(rest).split()))
    where = f"`{PROGRAM} {name} --help`" if name in COMMANDS else f"`{PROGRAM} --help`"
    if found := _CHOICE.search(text):
        choices = sorted(set(re.findall(r"'([^']*)'", found["all"])) - {"None"})
        return SettingsError(f"{found['flag']} cannot be {found['value']}.", f"Choose one of: {', '.join(choices)}.")
    if found := _VALUE.search(text):
        value = " ".join(re.findall(r"'([^']*)'", found["value"]))
        about = _HELP_OF_FLAG.search(text)
        return SettingsError(
            f"{found['flag']} cannot be {value!r}.", f"It takes {about['help']}" if about else f"See {where}."
        )
    if found := _UNKNOWN.match(text):
        near = _NEAR.search(text)
        hint = f"Perhaps {near['near']}? " if near else ""
        return SettingsError(f"Not understood: {found['words']}.", f"{hint}{where} lists what there is.")
    if found := _MISSING.match(text):
        what = found["what"].replace(" (required)", "")
        return SettingsError(f"Something is missing: {what}", f"{where} tells how it is used.")
    return SettingsError(f"{title or 'Not understood'}: {text.partition(' For full helptext')[0]}", f"See {where}.")
