"""What README and docs tell works, and leads somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_gmmseg.cli import main
from napari_gmmseg.io.sample import sample_path

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")

#: The names that the README gives to a person's files, and the sample that stands in for each.
STAND_INS = {
    "T1.nii.gz": "glioma_t1.nii.gz",
    "T2.nii.gz": "glioma_t2.nii.gz",
    "FLAIR.nii.gz": "glioma_flair.nii.gz",
    "truth.nii.gz": "glioma_dseg.nii.gz",
}


def _blocks(page: Path, language: str) -> list[str]:
    return [code for found, code in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def _commands(root: Path) -> list[str]:
    lines = [line for block in _blocks(root / "README.md", "bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("napari-gmmseg ")]


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the README speaks of."""
    for name, sample in STAND_INS.items():
        shutil.copyfile(sample_path(sample), tmp_path / name)
    truth = nibabel.load(tmp_path / "truth.nii.gz")
    labels = np.asarray(truth.dataobj)
    strokes = np.zeros(labels.shape, dtype=np.uint8)
    for stroke, value in enumerate((1, labels.max()), start=1):
        strokes[tuple(np.argwhere(labels == value)[:40].T)] = stroke
    nibabel.save(nibabel.Nifti1Image(strokes, truth.affine), tmp_path / "S.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_readme_runs(root: Path, at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [shlex.split(line)[1:] for line in _commands(root)]
    assert {command[0] for command in commands} == {"demo", "doctor", "evaluate", "finetune", "open", "segment"}
    for command in commands:
        if command[0] != "open":
            assert main(command) == 0, f"{command}: {capsys.readouterr().err}"
    assert (at_home / "demo" / "brain_overlay.png").exists()


def test_every_python_block_of_the_readme_runs(root: Path, at_home: Path) -> None:
    blocks = _blocks(root / "README.md", "python")
    assert blocks
    for code in blocks:
        exec(compile(code, "README.md", "exec"), {})
    assert (at_home / "probabilities.nii.gz").exists()


def test_every_link_between_pages_leads_to_a_file(root: Path) -> None:
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert len(links) > 20
    dead = [f"{page.name}: {link}" for page, link in links if "://" not in link and not (page.parent / link).exists()]
    assert not dead


@pytest.mark.parametrize(
    "command", ["segment", "train", "predict", "resume", "replay", "evaluate", "demo", "open", "doctor"]
)
def test_the_reference_tells_every_flag_and_no_other(
    root: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--help"]) == 0
    there = set(FLAG.findall(capsys.readouterr().out)) - {"--help"}
    page = (root / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    told = set(FLAG.findall(page.split(f"\n## {command}\n")[1].split("\n## ")[0]))
    assert there - told - {"--output"} == set()
    assert told <= there


@pytest.mark.parametrize(
    ("command", "important"),
    [
        ("finetune", {"--scribbles", "--seconds", "--steps", "--model", "--save-model"}),
        ("batch", {"--only", "--mask", "--region", "--retry", "--probabilities"}),
    ],
)
def test_the_reference_tells_every_flag_of_a_command_or_points_to_those_of_segment(
    root: Path, capsys: pytest.CaptureFixture[str], command: str, important: set[str]
) -> None:
    assert main([command, "--help"]) == 0
    there = set(FLAG.findall(capsys.readouterr().out)) - {"--help", "--output"}
    page = (root / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    own, shared = (
        set(FLAG.findall(page.split(f"\n## {name}\n")[1].split("\n## ")[0])) for name in (command, "segment")
    )
    assert there - own <= shared
    assert own - {"--output"} <= there
    assert important <= own
