from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_gmmseg.cli import doctor
from napari_gmmseg.cli.diagnosis import graphics
from napari_gmmseg.cli.diagnosis.graphics import Cards, TorchBuild, install_line, torch_findings
from napari_gmmseg.cli.diagnosis.machine import machine_findings
from napari_gmmseg.cli.diagnosis.windows import window_findings

from .conftest import Outcome

Run = Callable[..., Outcome]
CARD = Cards(("NVIDIA RTX A2000",), "550.54", 12)


def test_it_tells_versions_memory_and_threads(run: Run) -> None:
    facts = run("doctor", "--json").data
    assert facts["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["versions"]["torch"]
    assert facts["machine"]["threads"] >= 1
    assert facts["machine"]["memory_gb"] > 0.5
    assert set(facts) == {"versions", "torch", "graphics_cards", "window", "machine", "findings"}


def test_it_tells_where_networks_train_in_bfloat16(run: Run) -> None:
    from napari_gmmseg.session import multiplies_bfloat16_fast

    told = run("doctor", "--json").data["torch"]
    assert ("cpu" in told["bfloat16"]) == multiplies_bfloat16_fast("cpu")
    line = next(line for line in run("doctor").out.splitlines() if "Networks train in" in line)
    assert ("bfloat16 on the processor" in line) == ("cpu" in told["bfloat16"])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "float32: no device here multiplies bfloat16 fast"),
        (("cpu", "cuda:0"), "bfloat16 on the processor, cuda:0 (recipe tuned, --precision auto), else float32"),
    ],
)
def test_the_precision_of_networks_is_told_in_words(names: tuple[str, ...], told: str) -> None:
    assert doctor._precision({"bfloat16": names}) == told


def test_a_person_reads_the_same(run: Run) -> None:
    outcome = run("doctor")
    assert outcome.code == 0
    for word in ("torch build", "Graphics cards", "Memory", "Qt", "OpenGL"):
        assert word in outcome.out


def test_a_cpu_build_beside_a_card_gets_the_exact_install_line() -> None:
    (finding,) = torch_findings(TorchBuild(version="2.9.0+cpu"), CARD, "Linux")
    assert finding.code == "torch-without-cuda"
    assert "RTX A2000" in finding.message
    assert (
        "pip install --upgrade --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126"
        in finding.hint
    )


def test_a_build_that_sees_no_card_is_told() -> None:
    (finding,) = torch_findings(TorchBuild(version="2.9.0", cuda="13.0"), CARD, "Linux")
    assert finding.code == "torch-sees-no-card"


@pytest.mark.parametrize(
    ("build", "cards"),
    [
        (TorchBuild(version="2.9.0+cpu"), Cards()),
        (TorchBuild(version="2.9.0", cuda="12.6", devices=("cuda:0 NVIDIA RTX A2000",)), CARD),
    ],
)
def test_what_fits_together_is_no_finding(build: TorchBuild, cards: Cards) -> None:
    assert torch_findings(build, cards) == []


def test_a_torch_that_does_not_import_is_an_error_with_a_line() -> None:
    (finding,) = torch_findings(TorchBuild(error="libcudart.so not found"), Cards(), "Linux")
    assert finding.severity == "error"
    assert finding.hint.endswith("/whl/cpu")


@pytest.mark.parametrize(("cuda", "folder"), [(13, "cu130"), (12, "cu126"), (11, "cu118"), (None, "cu126")])
def test_the_wheel_follows_the_driver(cuda: int | None, folder: str) -> None:
    assert install_line(Cards(("A card",), "1.0", cuda), "Windows").endswith(folder)


def test_a_mac_needs_no_index() -> None:
    assert "--index-url" not in install_line(Cards(), "Darwin")


def script(folder: Path, body: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_cards_are_found_by_their_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(
        tmp_path,
        'if [ -n "$1" ]; then echo "NVIDIA H200, 570.10"; else echo "| NVIDIA-SMI 570.10  CUDA Version: 12.8 |"; fi',
    )
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert graphics.find_cards() == Cards(("NVIDIA H200",), "570.10", 12)


def test_a_tool_that_fails_is_no_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "exit 9")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert graphics._cards_by_tool() is None


def test_cards_are_found_by_the_driver_where_the_tool_is_missing(tmp_path: Path) -> None:
    card = tmp_path / "gpus" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t\t NVIDIA TITAN V\nIRQ: 1\n")
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu\n")
    assert graphics._cards_by_driver(tmp_path) == Cards(("NVIDIA TITAN V",), "535.129.03")


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"qt_bindings": [], "screen": True, "opengl": None}, "no-qt"),
        ({"qt_bindings": ["PyQt6"], "screen": False, "opengl": None}, "no-screen"),
        ({"qt_bindings": ["PyQt6"], "screen": True, "opengl": None}, "no-opengl"),
        ({"qt_bindings": ["PyQt6", "PySide6"], "screen": True, "opengl": "4.5"}, "several-qt"),
    ],
)
def test_what_keeps_the_window_from_opening_is_told(facts: dict, code: str) -> None:
    assert [finding.code for finding in window_findings(facts)] == [code]


def test_too_little_memory_and_disk_are_told() -> None:
    found = machine_findings({"memory_available_gb": 0.4, "disk_free_gb": 0.1})
    assert [finding.code for finding in found] == ["little-memory", "little-disk"]
    assert not machine_findings({"memory_available_gb": None, "disk_free_gb": None})
