"""The benchmark on a graphics card: what it says where there is none, and that its parts run."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from napari_gmmseg.io.phantom_heart import heart_phantom
from napari_gmmseg.volumes import Volume


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # A script finds those beside it by its own folder.
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("gpu")


def test_without_a_card_it_says_so_and_ends_well(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert gpu.main([]) == 0
    said = capsys.readouterr().out
    assert "No graphics card" in said
    assert "|" not in said


def test_a_card_is_taken_before_apples(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert gpu.card() == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.card() == torch.device("mps")


def test_a_clock_is_read_after_the_first_time(gpu: ModuleType) -> None:
    done: list[int] = []
    assert gpu.milliseconds(lambda: done.append(1), torch.device("cpu"), 3) >= 0
    assert len(done) == 4


def test_parts_and_steps_run_on_the_device_that_is_asked_for(
    gpu: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    phantom = heart_phantom(0)
    several = gpu.Case("three", phantom.volume, phantom.truth.labels, phantom.mask)
    volume = Volume(data=phantom.volume.data[:1], geometry=phantom.volume.geometry, channels=("t1",))
    case = gpu.Case("one", volume, several.truth, several.mask)
    gpu.time_the_parts(torch.device("cpu"), 1, case, several)
    gpu.time_a_step(torch.device("cpu"), 1, case)
    lines = capsys.readouterr().out.splitlines()
    assert sum("EM sweeps" in line for line in lines) == 2
    assert any(line.startswith("| a step in bfloat16") for line in lines)


def test_tf32_is_put_back(gpu: ModuleType) -> None:
    before = torch.backends.cudnn.allow_tf32
    with gpu.tf32(on=not before):
        assert torch.backends.cudnn.allow_tf32 is not before
    assert torch.backends.cudnn.allow_tf32 is before
