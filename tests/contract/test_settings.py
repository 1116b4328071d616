"""Each setting is described once, where it is defined, and everywhere else by that."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from napari_gmmseg.cli import main
from napari_gmmseg.config import FitConfig, PreparationConfig
from napari_gmmseg.config.bounds import field_of
from napari_gmmseg.config.recipes import Recipe

OWNERS = (FitConfig, PreparationConfig)
RECIPE_FIELDS = [field.name for field in dataclasses.fields(Recipe)]
FIELDS = [(owner, name) for owner in OWNERS for name in owner.__pydantic_fields__]


@pytest.mark.parametrize(("owner", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_setting_has_a_title_and_a_sentence(owner: type, name: str) -> None:
    field = field_of(owner, name)
    assert field.title
    assert field.description is not None
    assert field.description.endswith(".")


def test_every_setting_has_a_default_that_is_valid() -> None:
    assert FitConfig() == FitConfig(**vars(FitConfig()))
    assert PreparationConfig().mask == "auto"


def test_every_flag_of_the_page_of_settings_is_one_of_segment(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "--help"]) == 0
    there = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", capsys.readouterr().out))
    page = (root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(--[a-z0-9-]+)", page))
    assert len(told) > 25
    assert told <= there


@pytest.mark.parametrize("name", RECIPE_FIELDS)
def test_every_field_of_a_recipe_is_told_in_words(root: Path, name: str) -> None:
    page = (root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.split("### What the recipes set")[1].splitlines() if line.startswith(f"| `{name}`")]
    *values, words = [cell.strip() for cell in row.strip("|").split("|")][1:]
    assert len(values) >= 4
    assert words.endswith(".")


def test_the_page_of_settings_is_up_to_date(root: Path) -> None:
    done = subprocess.run([sys.executable, "docs/make_settings.py", "--check"], cwd=root, check=False)
    assert done.returncode == 0, "run: python docs/make_settings.py"
