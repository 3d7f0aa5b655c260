"""Pictures with speckle and label maps, as files of any format."""

import nibabel
import numpy as np
from scipy.ndimage import gaussian_filter

HEIGHT, WIDTH = 60, 48


def speckled(seed=0, height=HEIGHT, width=WIDTH, blur=1.0):
    """A still of an ultrasound's statistics, uint8 (H, W), black outside of a sector; neighbours are alike."""
    rows, columns = np.mgrid[:height, :width]
    inside = np.abs(columns - width / 2) < 4 + 0.6 * rows
    speckle = np.random.default_rng(seed).rayleigh(40, (height, width))
    return np.where(inside, 2 * gaussian_filter(speckle, blur) if blur else speckle, 0).clip(0, 255).astype(np.uint8)


def labels(radius=12, values=(1, 2), height=HEIGHT, width=WIDTH):
    """A cavity of a radius in pixels with a ring around it: uint8 (H, W)."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    return np.where(distance < radius, values[0], np.where(distance < radius + 4, values[1], 0)).astype(np.uint8)


def write_nifti(path, pixels, spacing=0.3):
    """``pixels`` (T, H, W) or (H, W), stored x first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(np.ascontiguousarray(pixels.T), np.diag([spacing, spacing, 1, 1]))
    nibabel.save(image, path)
    return path
