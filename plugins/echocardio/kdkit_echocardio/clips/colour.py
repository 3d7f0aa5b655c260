"""Colour pictures: which transfer their three channels hold, how much of them is coloured, and their grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

# Grey levels. Darker pixels show no tint; JPEG's rounding of grey differs between channels by a few levels.
_DARK, _SPREAD = 32, 12
_MEASURED = 8

# An ultrasound picture is mostly grey. Read by the wrong transfer it is coloured all over, its black background too;
# so a declaration is left only for a reading that is far greyer. Both are mean differences of channels, grey levels.
_GREY_AT_MOST, _FAR_GREYER = 1.0, 3.0

Transfer = Callable[[np.ndarray], np.ndarray]


def to_grey(picture: np.ndarray) -> np.ndarray:
    """uint8 (H, W) of a grey or RGB picture (ITU-R BT.601 luma)."""
    if picture.ndim == 2:
        return picture
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY))


def from_ycc(picture: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) of YCbCr in full range (DICOM PS3.3 C.7.6.3.1.2, YBR_FULL; JFIF)."""
    ycc = picture.astype(np.float32)
    y, cb, cr = ycc[..., 0], ycc[..., 1] - 128.0, ycc[..., 2] - 128.0
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
    return np.rint(rgb).clip(0, 255).astype(np.uint8)


def from_partial_ycc(picture: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) of YCbCr with Y in 16..235 and Cb, Cr in 16..240 (YBR_PARTIAL_*; ITU-R BT.601)."""
    ycc = picture.astype(np.float32)
    full = np.stack([(ycc[..., 0] - 16) * 255 / 219, *((ycc[..., i] - 128) * 255 / 224 + 128 for i in (1, 2))], -1)
    return from_ycc(full)


def unchanged(picture: np.ndarray) -> np.ndarray:
    """RGB is what pictures become."""
    return picture


def choose_reading(pictures: Sequence[np.ndarray], readings: Mapping[str, Transfer], declared: str) -> str:
    """The reading under which pictures, as stored, look like ultrasound; ``declared`` unless another is far greyer.

    ``readings``: transfers to RGB by name; ``declared``: the one that the file names.
    """
    casts = {
        name: float(np.mean([_cast(reading(picture)) for picture in pictures])) for name, reading in readings.items()
    }
    best = min(casts, key=casts.__getitem__)
    wrong = casts[declared] > _GREY_AT_MOST and casts[declared] > _FAR_GREYER * casts[best]
    return best if wrong else declared


def _cast(rgb: np.ndarray) -> float:
    """The mean difference between the channels of a picture, grey levels."""
    return float((rgb.max(-1).astype(np.int16) - rgb.min(-1)).mean())


class ColourShare:
    """The share of bright pixels that are coloured, over the first pictures of a clip.

    Coloured text or an electrocardiogram is a small part of a picture, a tint is all of it.
    """

    def __init__(self) -> None:
        self._pictures = self._bright = self._coloured = 0

    def add(self, picture: np.ndarray) -> None:
        """Count the pixels of a picture, uint8 grey (H, W) or RGB (H, W, 3)."""
        if picture.ndim == 2 or self._pictures >= _MEASURED:
            return
        self._pictures += 1
        red, green, blue = cv2.split(picture)
        highest, lowest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
        bright = highest >= _DARK
        self._bright += int(bright.sum())
        self._coloured += int((bright & (highest - lowest > _SPREAD)).sum())

    def value(self) -> float:
        """0..1; 0 where nothing is bright."""
        return self._coloured / self._bright if self._bright else 0.0
