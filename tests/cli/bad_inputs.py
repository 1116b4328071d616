"""What cannot be done, as arguments of the command line."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK

from .conftest import intensities, save, tissues

Case = Callable[[Path], list[object]]
CASES: dict[str, Case] = {}


def case(make: Case) -> Case:
    """Add one way of asking for what cannot be done."""
    CASES[make.__name__] = make
    return make


def good(folder: Path, name: str = "t1.nii.gz") -> Path:
    return save(folder / name, intensities(tissues()))


def segment(folder: Path, image: object, *options: object) -> list[object]:
    return ["segment", image, "-o", folder / "out" / "mask.nii.gz", *options]


@case
def missing_file(folder: Path) -> list[object]:
    return segment(folder, folder / "nowhere.nii.gz")


@case
def truncated_gzip(folder: Path) -> list[object]:
    path = good(folder)
    path.write_bytes(path.read_bytes()[:-2000])
    return segment(folder, path)


@case
def truncated_voxels(folder: Path) -> list[object]:
    path = good(folder, "t1.nii")
    path.write_bytes(path.read_bytes()[:-1000])
    return segment(folder, path)


@case
def text_with_the_suffix_of_an_image(folder: Path) -> list[object]:
    path = folder / "notes.nii.gz"
    path.write_text("This is no image.")
    return segment(folder, path)


@case
def gzip_of_text(folder: Path) -> list[object]:
    path = folder / "notes.nii.gz"
    path.write_bytes(gzip.compress(b"This is no image." * 100))
    return segment(folder, path)


@case
def unknown_suffix(folder: Path) -> list[object]:
    path = folder / "table.csv"
    path.write_text("a,b\n1,2\n")
    return segment(folder, path)


@case
def empty_file(folder: Path) -> list[object]:
    path = folder / "t1.nii"
    path.touch()
    return segment(folder, path)


@case
def folder_without_images(folder: Path) -> list[object]:
    (folder / "series").mkdir()
    return segment(folder, folder / "series")


def dicom_series(folder: Path, uid: str, shift: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for z in range(8):
        image = SimpleITK.GetImageFromArray(intensities(tissues((24, 20, 8)))[:, :, z].astype(np.int16))
        for tag, value in {
            "0008|0060": "MR",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"{uid}.{z + 1}",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.1",
            "0020|000e": uid,
            "0020|0011": uid[-1],
            "0020|0013": str(z + 1),
            "0020|0032": f"0\\0\\{2.0 * z + shift}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0018|0050": "2",
            "0028|0030": "1\\1",
        }.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{uid[-1]}_{z}.dcm"))
        writer.Execute(image)
    return folder


@case
def dicom_with_missing_slices(folder: Path) -> list[object]:
    series = dicom_series(folder / "series", "1.2.826.0.1.3680043.2.1125.1.1")
    (series / "1_3.dcm").unlink()
    (series / "1_4.dcm").unlink()
    return segment(folder, series)


@case
def dicom_of_two_series(folder: Path) -> list[object]:
    dicom_series(folder / "series", "1.2.826.0.1.3680043.2.1125.1.1")
    return segment(folder, dicom_series(folder / "series", "1.2.826.0.1.3680043.2.1125.1.2"))


@case
def dicom_series_that_is_not_there(folder: Path) -> list[object]:
    series = dicom_series(folder / "series", "1.2.826.0.1.3680043.2.1125.1.1")
    return segment(folder, series, "--series", "T9")


@case
def five_axes(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.ones((4, 4, 4, 2, 3), np.float32)))


@case
def complex_numbers(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.ones((4, 4, 4), np.complex64)))


@case
def no_voxels(folder: Path) -> list[object]:
    path = good(folder, "t1.nii")
    header = bytearray(path.read_bytes())
    header[42:44] = b"\0\0"
    path.write_bytes(bytes(header))
    return segment(folder, path)


@case
def all_nan(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.full((8, 9, 10), np.nan, np.float32)))


@case
def all_infinite(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.full((8, 9, 10), np.inf, np.float32)))


@case
def constant(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.full((8, 9, 10), 7, np.int16)))


@case
def constant_without_a_mask(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.full((8, 9, 10), 7, np.int16)), "--mask", "none")


@case
def all_zero(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.zeros((8, 9, 10), np.int16)))


@case
def a_single_voxel(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.ones((1, 1, 1), np.int16)))


@case
def mask_of_another_grid(folder: Path) -> list[object]:
    mask = save(folder / "mask.nii.gz", np.ones((9, 9, 9), np.uint8))
    return segment(folder, good(folder), "--mask", mask)


@case
def mask_in_another_place(folder: Path) -> list[object]:
    mask = save(folder / "mask.nii.gz", (tissues() > 0).astype(np.uint8), np.diag([3.0, 3.0, 3.0, 1.0]))
    return segment(folder, good(folder), "--mask", mask)


@case
def empty_mask(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--mask", save(folder / "mask.nii.gz", np.zeros(tissues().shape, np.uint8)))


@case
def missing_mask(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--mask", folder / "nowhere.nii.gz")


@case
def one_voxel_mask(folder: Path) -> list[object]:
    mask = np.zeros(tissues().shape, np.uint8)
    mask[12, 10, 8] = 1
    return segment(folder, good(folder), "--mask", save(folder / "mask.nii.gz", mask))


@case
def one_class(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--classes", 1)


@case
def more_classes_than_values(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", tissues().astype(np.int16)), "--classes", 4)


@case
def too_many_classes(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--classes", 99)


@case
def no_steps(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--steps", 0)


@case
def unknown_device(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--device", "toaster")


@case
def negative_seed(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--seed", -1)


@case
def fourth_axis_of_unknown_meaning(folder: Path) -> list[object]:
    return segment(folder, save(folder / "t1.nii.gz", np.stack([intensities(tissues())] * 2, -1)))


@case
def frame_that_is_not_there(folder: Path) -> list[object]:
    image = save(folder / "t1.nii.gz", np.stack([intensities(tissues())] * 2, -1))
    return segment(folder, image, "--axis4", "time", "--frame", 2)


@case
def forty_cases(folder: Path) -> list[object]:
    return ["segment", *(good(folder, f"sub-{n}.nii") for n in range(5)), "-o", folder / "out" / "mask.nii.gz"]


@case
def two_of_one_contrast_by_flag(folder: Path) -> list[object]:
    first, second = good(folder, "a.nii"), good(folder, "b.nii")
    return ["segment", "--t1", first, "--t1", second, "-o", folder / "out" / "mask.nii.gz"]


@case
def two_of_one_contrast_by_name(folder: Path) -> list[object]:
    first, second = good(folder, "sub-1_T1w.nii"), good(folder, "sub-2_T1w.nii")
    return ["segment", first, second, "-o", folder / "out" / "mask.nii.gz"]


@case
def more_contrasts_than_files(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--contrast", "t1,t2,flair")


@case
def channels_on_two_grids(folder: Path) -> list[object]:
    other = save(folder / "flair.nii.gz", intensities(tissues((10, 9, 8))))
    return ["segment", "--t1", good(folder), "--flair", other, "-o", folder / "out" / "mask.nii.gz"]


@case
def heart_without_a_region(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--preset", "cardiac")


@case
def box_outside_of_the_image(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--box", 0, 0, 0, 99, 99, 99)


@case
def disc_beside_the_image(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--disc", 500, 500, 3)


@case
def disc_without_a_radius(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--disc", 5, 5, 0)


@case
def spacing_of_zero(folder: Path) -> list[object]:
    from skimage.io import imsave

    imsave(folder / "slice.png", intensities(tissues())[:, :, 8].astype(np.uint8), check_contrast=False)
    return segment(folder, folder / "slice.png", "--spacing", 0, 1)


@case
def no_output(folder: Path) -> list[object]:
    return ["segment", good(folder)]


@case
def no_image(folder: Path) -> list[object]:
    return ["segment", "-o", folder / "out" / "mask.nii.gz"]


@case
def output_in_a_folder_that_is_not_there(folder: Path) -> list[object]:
    return ["segment", good(folder), "-o", folder / "out" / "deeper" / "mask.nii.gz"]


@case
def output_below_a_file(folder: Path) -> list[object]:
    return ["segment", good(folder), "-o", good(folder, "other.nii") / "mask.nii.gz"]


@case
def output_is_a_folder(folder: Path) -> list[object]:
    return ["segment", good(folder), "-o", folder / "out"]


@case
def output_of_unknown_kind(folder: Path) -> list[object]:
    return ["segment", good(folder), "-o", folder / "out" / "mask.docx"]


@case
def output_over_the_input(folder: Path) -> list[object]:
    image = good(folder / "out")
    return ["segment", image, "-o", image]


@case
def two_outputs_of_one_name(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--uncertainty", folder / "out" / "mask.nii.gz")


@case
def probabilities_in_a_folder_that_is_not_there(folder: Path) -> list[object]:
    return segment(folder, good(folder), "--probabilities", folder / "nowhere" / "p.nii.gz")


@case
def evaluation_on_two_grids(folder: Path) -> list[object]:
    truth = save(folder / "truth.nii.gz", np.ones((5, 6, 7), np.uint8))
    return ["evaluate", save(folder / "mask.nii.gz", tissues().astype(np.uint8)), truth]


@case
def evaluation_of_an_image(folder: Path) -> list[object]:
    image = save(folder / "t1.nii.gz", intensities(tissues()) + np.float32(0.5))
    return ["evaluate", image, image]


@case
def evaluation_of_nothing(folder: Path) -> list[object]:
    empty = save(folder / "mask.nii.gz", np.zeros((5, 6, 7), np.uint8))
    return ["evaluate", empty, empty]


@case
def evaluation_against_a_missing_file(folder: Path) -> list[object]:
    return ["evaluate", save(folder / "mask.nii.gz", tissues().astype(np.uint8)), folder / "nowhere.nii.gz"]


@case
def demo_into_a_file(folder: Path) -> list[object]:
    return ["demo", "-o", good(folder)]


@case
def opening_a_missing_file(folder: Path) -> list[object]:
    return ["open", folder / "nowhere.nii.gz"]


@case
def dicom_with_a_broken_header(folder: Path) -> list[object]:
    series = dicom_series(folder / "series", "1.2.826.0.1.3680043.2.1125.1.1")
    broken = pydicom.dcmread(series / "1_3.dcm")
    broken.NumberOfFrames = "1234"
    broken.save_as(series / "1_3.dcm")
    content = (series / "1_3.dcm").read_bytes()
    assert content.count(b"1234") == 1
    (series / "1_3.dcm").write_bytes(content.replace(b"1234", b"1A34"))
    return segment(folder, series)
