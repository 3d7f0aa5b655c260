"""Reading PNG, BMP and TIFF by Pillow: pictures, and label maps as nnU-Net writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdkit import DataError

from .picture import MOST_LABELS, Picture, claimed_shape

if TYPE_CHECKING:
    from PIL import Image

# Pillow goes by the content, and hands PostScript, for one, to a program that runs it.
_FORMATS = ("PNG", "BMP", "TIFF", "JPEG", "WEBP")
_GREY = ("1", "L", "I", "F")
"""Pillow's modes of one number a pixel; those of 16 bits begin with I."""


def read_photo(path: Path) -> Picture:
    """The pages of a file as frames (T, H, W), colour as grey; the size of a pixel is not known.

    Raises :class:`kdkit.DataError`, which names the file, when it is missing, truncated or no picture.
    """
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path, formats=_FORMATS) as image:
            claimed_shape(path, [*image.size, getattr(image, "n_frames", 1)], 1)
            return Picture(np.stack([_values(page) for page in ImageSequence.Iterator(image)]))
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is no picture that can be read") from error
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged bytes
        raise DataError(f"{path} is truncated or damaged: {error}", "Copy it again from its source.") from error


def _values(page: Image.Image) -> np.ndarray:
    if page.mode == "P" and len(np.unique(np.asarray(page))) <= MOST_LABELS:
        return np.asarray(page)  # of labels the numbers count, not the colours that they are shown in
    grey = page if page.mode.partition(";")[0] in _GREY else page.convert("L")
    return np.asarray(grey).astype(np.uint8) if page.mode == "1" else np.asarray(grey)
