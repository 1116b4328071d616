"""Encoders of segmentation-models-pytorch and timm: an extra, imported here alone and only when one is asked for."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from napari_gmmseg.errors import MissingLibraryError, SettingsError

#: Libraries of the extra, by the names that they are imported by.
_NEEDED = ("torchvision", "timm", "segmentation_models_pytorch")
#: Operators that torchvision looks up while it is imported.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
#: What defines them, held as long as the process lives: they would be gone with it.
_defined: list[torch.library.Library] = []
#: Layers of public classifiers that come after the features.
_CLASSIFIER = ("head.", "final_conv.", "fc.", "classifier.")
_STRIDE = 16


def find_encoder(name: str, n_inputs: int, generator: torch.Generator) -> nn.Module:
    """Return an encoder by its name, with drawn weights and the last stage dilated, so that it ends at 1/16.

    Parameters
    ----------
    name : str
        As segmentation-models-pytorch names it, e.g. "resnet34", or "tu-" and the name of a model of timm, e.g.
        "tu-regnetz_040", that of Wan et al. (2023).
    n_inputs : int
        Channels of the image.
    generator : torch.Generator
        On the CPU; the only source of chance.

    Returns
    -------
    Module
        Gives a list of features, at 1, 1/2, 1/4, 1/8, 1/16 and, dilated, 1/16; `out_channels` are their channels.

    Raises
    ------
    MissingLibraryError
        Where the extra is not installed.
    SettingsError
        Where there is no such encoder, or it cannot end at 1/16.
    """
    library = _library(name)
    seed = int(torch.randint(2**62, (), generator=generator))
    state = torch.get_rng_state()
    try:
        # Encoders draw from the global generator. Only the processor's is set: torch.manual_seed would set all.
        torch.default_generator.manual_seed(seed)
        encoder: nn.Module = library.encoders.get_encoder(
            name, in_channels=n_inputs, depth=5, weights=None, output_stride=_STRIDE
        )
    except (KeyError, ValueError, RuntimeError, NotImplementedError, TypeError, AssertionError) as error:
        reason = str(error).splitlines()[0].strip("'\"") if str(error) else type(error).__name__
        reason = reason.partition(", supported")[0][:160].rstrip(".!")
        raise SettingsError(
            f"{name!r} cannot be used as an encoder: {reason}.",
            "Take tu-regnetz_040, resnet34, tu-mobilenetv3_large_100, or small, which needs no extra.",
        ) from error
    finally:
        torch.set_rng_state(state)
    for module in encoder.modules():
        # Dropping draws from the global generator in every step: the same seed would not give the same network.
        for rate in ("p", "drop_prob"):
            if "drop" in type(module).__name__.lower() and hasattr(module, rate):
                setattr(module, rate, 0.0)
    return encoder


def import_torchvision() -> None:
    """Import torchvision, also one that was built for another torch.

    The torchvision of the package index is built for CUDA; beside a torch for the processor alone its compiled part
    does not load, and its import then ends at operators that nobody has defined. No encoder calls them: their schemas
    are enough.
    """
    try:
        import torchvision  # noqa: F401 - what it defines is needed, not its name
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _defined:
            raise
    else:
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    # Whoever imports it next finds them.
    _defined.append(library)


def load_encoder_(encoder: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load public weights into an encoder, in place: each one, and none left over.

    Names may be those of a classifier of timm or of an encoder of segmentation-models-pytorch; what comes after the
    features is left out. Where the image has other than three channels, the first convolution takes the mean over the
    three, scaled so that its answer keeps its size.

    Parameters
    ----------
    encoder : Module
        From `find_encoder`.
    weights : dict of str to Tensor, of any shape
        From a file.

    Raises
    ------
    SettingsError
        Where names or shapes differ.
    """
    own = encoder.state_dict()
    given = {_own_name(name): value for name, value in weights.items() if not name.startswith(_CLASSIFIER)}
    given = {(f"model.{name}" if f"model.{name}" in own else name): value for name, value in given.items()}
    missing = sorted(name for name in own.keys() - given.keys() if not name.endswith("num_batches_tracked"))
    if missing or given.keys() - own.keys():
        raise SettingsError(
            f"The weights are of another encoder: {_some(missing)} missing, {_some(given.keys() - own.keys())} "
            "not known.",
            "Give the weights of the encoder that --encoder names.",
        )
    fitted = {name: _fitted(name, value, own[name]) for name, value in given.items()}
    encoder.load_state_dict(own | fitted)


def hold_batch_norms_(network: nn.Module) -> None:
    """Have batch norms use the statistics that they hold, and keep them, in training too.

    For batches of one slice with weights that were learnt from many: a slice's own statistics are no mean over images.

    Parameters
    ----------
    network : Module
        Changed in place; `network.train()` undoes it.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _library(name: str) -> Any:
    missing = [library for library in _NEEDED if find_spec(library) is None]
    if missing:
        raise MissingLibraryError(
            f"The encoder {name!r} needs {', '.join(missing).replace('_', '-')}, which {_is(missing)} not installed.",
            'Install it: pip install "napari-gmmseg[glioma]". Or take --encoder small, which needs nothing more.',
        )
    with warnings.catch_warnings():
        # What timm has moved or renamed is not a person's concern.
        warnings.simplefilter("ignore")
        import_torchvision()
        import segmentation_models_pytorch

    return segmentation_models_pytorch


def _is(missing: list[str]) -> str:
    return "are" if len(missing) > 1 else "is"


def _own_name(name: str) -> str:
    return re.sub(r"^stages\.(\d+)\.", r"stages_\1.", name)


def _fitted(name: str, value: Tensor, own: Tensor) -> Tensor:
    if value.shape == own.shape:
        return value
    if value.ndim == own.ndim == 4 and value.shape[1] == 3 and value.shape[0::2] == own.shape[0::2]:
        return value.mean(1, keepdim=True).expand_as(own) * (3.0 / own.shape[1])
    raise SettingsError(
        f"{name} has the shape {tuple(value.shape)}, and the encoder's has {tuple(own.shape)}.",
        "Give the weights of the encoder that --encoder names.",
    )


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return f"{', '.join(listed[:2])}{' …' if len(listed) > 2 else ''}" if listed else "none"
