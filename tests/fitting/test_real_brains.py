"""Real brains: the default is no worse than k-means, whatever the scanner."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from napari_gmmseg.io import read_channels, read_labels

CASES = {
    "philips": ("philips_mprage/t1_brain_nospheres.nii.gz", "philips_mprage/labels_tissue.nii.gz"),
    "philips 2 mm": ("philips_mprage/demo_2mm_t1.nii.gz", "philips_mprage/demo_2mm_labels.nii.gz"),
    "spm": ("spm12_avg152/avg152T1.nii", "spm12_avg152/labels_tissue.nii.gz"),
    "colin27": ("spm12_avg152/single_subj_T1.nii", "spm12_avg152/labels_tissue.nii.gz"),
    **{f"ptbp {n:02d}": (f"ptbp_dev/t1_{n:02d}.nii.gz", f"ptbp_dev/seg_{n:02d}.nii.gz") for n in range(1, 11)},
}


@pytest.mark.data
@pytest.mark.parametrize("name", CASES)
def test_auto_is_as_good_as_k_means_on(real_data, segment, dice, name) -> None:
    image_path, labels_path = (real_data / part for part in CASES[name])
    (volume,) = read_channels([image_path])
    truth = np.array(read_labels(labels_path).labels)
    truth[truth == 4] = 2
    image = volume.data[0]
    mask = image > 0 if name.startswith("philips") else truth > 0
    x = image[mask].reshape(-1, 1)
    means = KMeans(3, n_init=5, random_state=0).fit(x[:: max(1, len(x) // 100_000)]).cluster_centers_
    middle = np.convolve(np.sort(means[:, 0]), [0.5, 0.5], "valid")
    anchor = dice(np.where(mask, np.searchsorted(middle, image) + 1, 0), truth)
    ours = dice(segment(image, mask, spacing=volume.geometry.spacing).label_map.labels, truth)
    assert ours >= anchor - 0.005
