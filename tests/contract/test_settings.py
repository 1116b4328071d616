"""Each setting is described once, where it is defined, and everywhere else by that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_gmmseg.config import FitConfig, PreparationConfig
from napari_gmmseg.config.bounds import field_of

OWNERS = (FitConfig, PreparationConfig)
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


def test_the_page_of_settings_is_up_to_date(root: Path) -> None:
    done = subprocess.run([sys.executable, "docs/make_settings.py", "--check"], cwd=root, check=False)
    assert done.returncode == 0, "run: python docs/make_settings.py"
