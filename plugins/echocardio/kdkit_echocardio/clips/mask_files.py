"""Files of masks and of their probabilities, at a clip's own frame size."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np

from .atomic import replacing
from .clip import Clip

# The quickest level: masks are mostly constant, and stronger compression takes longer than the network.
_COMPRESSION = 1


def is_inside(probability: np.ndarray) -> np.ndarray:
    """Where unsigned integers that stand for 0..1 are at least a half: bool."""
    return np.asarray(probability >= np.iinfo(probability.dtype).max // 2 + 1)


def write_npz(path: Path, probability: np.ndarray) -> None:
    """Write the array as ``probability``, compressed in pieces: no copy of it as a whole is made."""
    with (
        replacing(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive,
        archive.open("probability.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array(member, probability)


def write_nifti(path: Path, masks: np.ndarray, clip: Clip) -> None:
    """Write masks (T, H, W) as uint8 0/1 (x, y, 1, time) with the clip's pixel size in mm and seconds between frames.

    What is unknown is 1, of an unknown unit.
    """
    import nibabel

    spacing = clip.spacing_mm or 1.0
    # NIfTI's axes point right and up where those of pictures point left and down.
    volume = masks.astype(np.uint8).transpose(2, 1, 0)[:, :, None]
    image = nibabel.Nifti1Image(volume, np.diag([-spacing, -spacing, spacing, 1.0]))
    image.header.set_zooms((spacing, spacing, spacing, 1 / clip.fps if clip.fps else 1.0))
    image.header.set_xyzt_units("mm" if clip.spacing_mm else "unknown", "sec" if clip.fps else "unknown")
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress(image.to_bytes(), _COMPRESSION))
