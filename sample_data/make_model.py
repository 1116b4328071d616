"""Train the small glioma network that ships, on generated gliomas alone: no patient's image is in it.

python sample_data/make_model.py

Run make_mni152.py before: the gliomas grow in its brain. Seed 0 is the sample glioma, and neither learnt from nor
measured on. Some minutes on one core; weights differ in their last digits from machine to machine.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from writing import FOLDER, record_checksums

from napari_gmmseg import api
from napari_gmmseg.io.model_cards import card_path
from napari_gmmseg.io.phantom import Acquisition
from napari_gmmseg.io.phantom_glioma import CLASSES, Tumour, glioma_phantom
from napari_gmmseg.volumes import CaseSet, ClassTable, FitReport, LabelledCase, Part

MODEL = FOLDER / "glioma_model.safetensors"
#: Seeds of each part; 0 is left to the sample.
SEEDS: dict[Part, range] = {"train": range(1, 21), "validation": range(21, 25), "test": range(25, 33)}
TUMOUR = ClassTable(tuple(c for c in CLASSES if c.role in ("oedema", "enhancing", "necrosis")))
LICENCE = (
    "All images are generated (`make_model.py`, seeds 1 to 32), in the warped ICBM 152 template brain whose notice "
    "stands in `README.md`; no patient's image is among them. The weights are under the licence of napari-gmmseg "
    "(BSD-3-Clause). Intensities of these images are invented: the network shows how a trained model is used, and is "
    "not meant for patients.\n"
)


def case(seed: int, part: Part) -> LabelledCase:
    """Return a generated patient: grade, size and noise are drawn from the seed."""
    rng = np.random.default_rng([seed, 1])
    tumour = Tumour(
        grade=int(rng.integers(2, 5)),
        radius_mm=rng.uniform(9, 24),
        rim_mm=rng.uniform(2.5, 6),
        oedema_mm=rng.uniform(5, 18),
    )
    acquisition = Acquisition(noise_percent=rng.uniform(2, 7), bias_percent=rng.uniform(0, 30))
    phantom = glioma_phantom(seed, tumour, acquisition)
    labels = np.where(np.isin(phantom.truth.labels, TUMOUR.values), phantom.truth.labels, 0).astype(np.uint8)
    name = f"glioma-{seed:04d}"
    return LabelledCase(name, name, phantom.volume.data, labels, phantom.volume.channels, part=part)


def tell(report: FitReport) -> None:
    """Say how far the training is, after each epoch."""
    if report.state is not None:
        sys.stdout.write(", ".join(f"{name} {value:.3f}" for name, value in report.terms.items()) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Train, write the model with its card, and record checksums."""
    began = time.perf_counter()
    cases = CaseSet(tuple(case(seed, part) for part, seeds in SEEDS.items() for seed in seeds), TUMOUR)
    model = api.train(
        cases,
        MODEL,
        epochs=16,
        patience=None,
        schedule="cosine",
        attributes=(),
        flip=0.5,
        batch_slices=16,
        threads=1,
        device="cpu",
        progress=tell,
    )
    card = card_path(MODEL)
    lines = card.read_text(encoding="utf-8").splitlines(keepends=True)
    told = [LICENCE if line.startswith("Licence and consent") else line for line in lines]
    card.write_text("".join(told), encoding="utf-8")
    record_checksums()
    sys.stdout.write(f"{model.scores}, {MODEL.stat().st_size} bytes, {time.perf_counter() - began:.0f} s\n")


if __name__ == "__main__":
    main()
