"""Words that make no sense: one error, one hint, exit code 2; and the version."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version

import pytest

from .conftest import Outcome

Run = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "segmnt x",
            [
                "no command 'segmnt'",
                "Perhaps segment?",
                "demo, open, segment, batch, finetune, train, predict, resume, replay, evaluate, doctor",
            ],
        ),
        ("paint", ["no command 'paint'", "demo, open"]),
        ("--verbose", ["--verbose", "napari-gmmseg --help"]),
        ("segment x --preset brain", ["--preset", "'brain'", ": brain-multi, brain-t1, cardiac, custom, glioma."]),
        ("segment x --axis4 tme", ["--axis4", "'tme'", "channel, time."]),
        ("segment x --method magic", ["--method", "auto, blindspot, deepg, deepsvg, gmm, spatial, svgmm."]),
        ("segment x --recipe papr", ["--recipe", "'papr'", "code, paper, tuned."]),
        ("segment x --learning-rate fast", ["--learning-rate", "'fast'", "> 0, ≤ 1"]),
        ("segment x --refine", ["--refine", "napari-gmmseg segment --help"]),
        ("segment x --box 1 2 3 4 5", ["--box", "'1 2 3 4 5'", "Z0 Y0 X0 Z1 Y1 X1"]),
        ("segment x --classes three", ["--classes", "'three'", "≥ 2, ≤ 16"]),
        ("segment x --frame None", ["--frame", "'None'", "--frame N"]),
        ("segment x --clases 3", ["--clases", "Perhaps --classes?", "napari-gmmseg segment --help"]),
        ("segment x --colour", ["--colour", "napari-gmmseg segment --help"]),
        ("segment x -o", ["-o", "napari-gmmseg segment --help"]),
        ("evaluate a", ["TRUTH", "napari-gmmseg evaluate --help"]),
        ("evaluate", ["PREDICTION", "TRUTH", "napari-gmmseg evaluate --help"]),
        ("evaluate a b c", ["Not understood: c", "napari-gmmseg evaluate --help"]),
    ],
)
def test_what_is_not_understood_is_one_error_and_one_hint(run: Run, words: str, told: list[str]) -> None:
    outcome = run(*words.split())
    assert outcome.code == 2
    assert outcome.out == ""
    assert [line.split(":")[0] for line in outcome.err.splitlines()] == ["Error", "Hint"], outcome.err
    for text in told:
        assert text in outcome.err
    for odd in ("[bold]", "None}", "'None',", "│", "PATH", "default:"):
        assert odd not in outcome.err


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_one_line(run: Run, flag: str) -> None:
    assert run(flag) == Outcome(0, f"napari-gmmseg {version('napari-gmmseg')}\n", "")


def test_help_of_evaluate_names_what_it_takes(run: Run) -> None:
    assert "evaluate [-h] PREDICTION TRUTH" in run("evaluate", "--help").out


def test_help_of_segment_has_the_flags_of_a_network_in_a_group_of_their_own(run: Run) -> None:
    text = run("segment", "--help").out
    parts = re.split(r"^\W*(?:([\w-]+) )?options\W*$", text, flags=re.MULTILINE)
    groups = {name or "": body for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    assert list(groups) == ["", "channel", "place", "scribble", "map", "mixture", "deep-mixture", "islands"]
    for flag in ("--recipe", "--preset-paper", "--no-refine", "--learning-rate", "--hidden-share", "--precision"):
        assert [name for name, body in groups.items() if f" {flag} " in body] == ["deep-mixture"]
    common = set(re.findall(r"^\W*(--[\w-]+)", groups[""], flags=re.MULTILINE))
    fit = {"--preset", "--method", "--classes", "--steps", "--seed", "--device", "--threads"}
    assert common == fit | {"--memory-limit", "--session", "--json"}


def test_help_tells_once_what_an_absent_flag_means(run: Run) -> None:
    text = " ".join(run("segment", "--help").out.replace("│", " ").split())
    assert "empty:" not in text
    assert "Threads: Processor threads. (≥ 1, ≤ 256) (default: all cores but one)" in text


def test_help_shows_no_default_that_is_none(run: Run) -> None:
    text = " ".join(run("segment", "--help").out.replace("│", " ").split())
    assert "default: None" not in text
    assert "default: )" not in text
    assert "as many as the preset names, else 3" in text
    assert "brain-t1 for one channel, brain-multi for several" in text
