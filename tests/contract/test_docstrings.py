"""Public functions of the numerical folders tell shapes and errors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.contract.docstrings import problems, public

NUMERICAL = ("fitting", "losses", "mixture", "networks", "preparation", "quality", "volumes")


@pytest.mark.parametrize("folder", NUMERICAL)
def test_every_public_function_tells_its_arguments_shapes_and_errors(package: Path, folder: str) -> None:
    files = sorted((package / folder).rglob("*.py"))
    assert files
    missing = [
        f"{path.relative_to(package)}: {problem}"
        for path in files
        for documented in public(ast.parse(path.read_text(encoding="utf-8")))
        for problem in problems(documented)
    ]
    assert not missing, "\n".join(missing)


POOR = '''
def weigh(image: NDArray[np.float64], mask: Tensor, power: float) -> float:
    """Weigh an image.

    Parameters
    ----------
    image : ndarray
        Intensities.
    mask : Tensor (Z, Y, X)
        Where to look.
    """
    if power < 0:
        raise SettingsError("negative", "")


class Scale:
    def read(self): ...
'''


def test_the_check_finds_what_a_poor_docstring_leaves_out() -> None:
    found = [problem for documented in public(ast.parse(POOR)) for problem in problems(documented)]
    assert found == [
        "weigh does not tell the shape of image",
        "weigh does not tell what power is",
        "weigh does not tell that it raises SettingsError",
        "Scale.read has no docstring",
    ]
