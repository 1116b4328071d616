"""The napari manifest names what is there, and the package offers its verbs lazily."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_gmmseg
from napari_gmmseg import api


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    path = Path(napari_gmmseg.__file__).with_name("napari.yaml")
    return PluginManifest.from_file(path)


def test_the_manifest_is_valid_and_is_the_installed_one(manifest: PluginManifest) -> None:
    installed = PluginManifest.from_distribution("napari-gmmseg")
    assert installed.name == manifest.name == "napari-gmmseg"
    assert installed.contributions == manifest.contributions


def test_every_command_of_the_manifest_can_be_called(manifest: PluginManifest) -> None:
    commands = manifest.contributions.commands or []
    assert commands
    for command in commands:
        module, name = str(command.python_name).split(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_every_contribution_names_a_command_of_the_manifest(manifest: PluginManifest) -> None:
    offered = manifest.contributions
    ids = {command.id for command in offered.commands or []}
    used = [
        *(reader.command for reader in offered.readers or []),
        *(writer.command for writer in offered.writers or []),
        *(widget.command for widget in offered.widgets or []),
        *(sample.command for sample in offered.sample_data or []),  # type: ignore[union-attr]
    ]
    assert len(used) > 5
    assert set(used) <= ids


def test_the_package_offers_the_verbs_of_the_api() -> None:
    for verb in ("read", "segment", "evaluate", "write"):
        assert getattr(napari_gmmseg, verb) is getattr(api, verb)
        assert verb in napari_gmmseg.__all__


def test_the_package_has_no_other_attribute() -> None:
    with pytest.raises(AttributeError, match="guess"):
        napari_gmmseg.guess  # noqa: B018 - the access is the test
