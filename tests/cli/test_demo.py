from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import nibabel
import pytest
from skimage.io import imread

from .conftest import Outcome

Run = Callable[..., Outcome]


def test_the_demo_needs_no_network_and_no_screen(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the demo must not use the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.delenv("DISPLAY", raising=False)
    folder = tmp_path / "demo"
    outcome = run("demo", "-o", folder, "--json")
    assert outcome.code == 0, outcome.err
    files = outcome.data["files"]
    assert set(files) == {"mask", "probabilities", "picture", "table"}
    mask, probabilities = nibabel.load(files["mask"]), nibabel.load(files["probabilities"])
    assert probabilities.shape == (*mask.shape, 3)
    assert imread(files["picture"]).std() > 10
    assert outcome.data["evaluation"]["mean_dice"] > 0.8
    rows = [line.split("\t") for line in Path(files["table"]).read_text().splitlines()]
    assert rows[0][:3] == ["label", "name", "volume_ml_hard"]
    assert [row[1] for row in rows[1:]] == ["Cerebrospinal fluid", "Grey matter", "White matter"]


def test_a_person_sees_volumes_and_dice(run: Run, tmp_path: Path) -> None:
    outcome = run("demo", "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    for word in ("Hard [ml]", "Soft [ml]", "Dice", "brain_overlay.png", "brain_dseg_labels.txt", "CSF differs because"):
        assert word in outcome.out
