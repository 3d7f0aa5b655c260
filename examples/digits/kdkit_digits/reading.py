"""Images from files, as small as the digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdkit import DataError, check_unpacked
from kdkit_digits.halves import SIDE

# Pillow goes by the content, and hands PostScript, for one, to a program that runs it.
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")


def read_image(path: Path) -> np.ndarray:
    """A square grayscale image, bright on dark, as uint8 (8, 8): PNG, or an array uint8 (n, n) in ``.npy``.

    Raises :class:`kdkit.DataError` when the file is unreadable or holds something else.
    """
    image = _array(path) if path.suffix.lower() == ".npy" else _picture(path)
    if image.shape[0] != image.shape[1] or image.shape[0] < SIDE:
        size = f"{image.shape[1]} x {image.shape[0]}"
        raise DataError(f"{path}: is {size} pixels, not a square of {SIDE} x {SIDE} or more")
    return _shrink(image)


def _array(path: Path) -> np.ndarray:
    try:
        # Mapped: an array that its header claims, but that is not there, takes no memory.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises many kinds on damaged headers
        raise DataError(f"{path}: is not a whole .npy file") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype != np.uint8:
        raise DataError(f"{path}: does not hold one array of uint8 with two axes", "Values go from 0 to 255.")
    return np.array(array)


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path, formats=_FORMATS) as image:
            check_unpacked(path, image.width * image.height * 8)
            return np.asarray(image.convert("L"))
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged bytes
        raise DataError(f"{path}: is not a whole image file") from error


def _shrink(image: np.ndarray) -> np.ndarray:
    """The image in 8 x 8 pixels, each the mean of what it covers: as the real digits were made."""
    from PIL import Image

    if image.shape == (SIDE, SIDE):
        return image
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))
