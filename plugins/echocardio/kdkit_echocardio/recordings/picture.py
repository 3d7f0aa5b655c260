"""Pictures with a spacing, as medical formats hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdkit import DataError, largest_bytes, too_large

_LONGEST_SIDE = 4096
# Bytes in memory of a pixel while it is read: twice as it is stored, or as the numbers that are computed with.
_WIDEST = 16

# Beyond this a header is damaged: no ultrasound pixel is larger than a centimetre.
_LARGEST_STEP = 10.0

# CAMUS has four labels, whole-heart maps up to eight; a picture in so few grey levels has speckle.
MOST_LABELS = 16
_MOST_BORDER = 0.3


class LabelMapError(DataError):
    """A file with the name of a picture that holds labels."""


@dataclass(frozen=True)
class Picture:
    """Frames as a file holds them: real (T, H, W).

    ``steps``: width and height of a pixel in millimetres, or None. ``directions``: which way columns and rows run in
    the world by the header, 1 or -1 each; None where it does not say.
    """

    frames: np.ndarray
    steps: tuple[float, float] | None = None
    directions: tuple[int, int] | None = None


def claimed_shape(path: Path, sizes: list[int], itemsize: int) -> tuple[int, int, int]:
    """Width, height and frames from a header's sizes, x first.

    Sizes of 1 after width and height are no dimension, wherever they stand: a clip is often stored as a volume of one
    slice over time (x, y, 1, t).

    Raises :class:`kdkit.DataError` when they cannot be meant; nothing of that size has been allocated yet.
    """
    sizes = [*sizes[:2], *(size for size in sizes[2:] if size != 1)]
    size_text = "x".join(map(str, sizes))
    if len(sizes) not in (2, 3) or min(sizes) < 1:
        raise DataError(
            f"{path} claims a picture of {size_text or 'no'} pixels; width, height and perhaps frames are read"
        )
    width, height, count = (*sizes, 1)[:3]
    if max(width, height) > _LONGEST_SIDE:
        raise DataError(f"{path} claims {size_text} pixels; at most 4096x4096 are read")
    if width * height * count * (2 if itemsize == 1 else _WIDEST) > largest_bytes():
        raise too_large(path, f"claims {size_text} pixels")
    return width, height, count


def plausible_steps(x: float, y: float) -> tuple[float, float] | None:
    """The size of a pixel where it can be one, in millimetres."""
    believable = all(math.isfinite(step) and 0 < step <= _LARGEST_STEP for step in (x, y))
    return (float(x), float(y)) if believable else None


def as_grey(path: Path, frames: np.ndarray) -> np.ndarray:
    """uint8 of real frames: whole numbers within 0..255 as they are, others so that the brightest pixel becomes 255.

    Fractions are scaled where none is above 1, as they are normalised.

    Raises :class:`kdkit.DataError` for values that are not finite or negative.
    """
    if frames.dtype == np.uint8:
        return frames
    low, high = float(frames.min()), float(frames.max())
    if not (math.isfinite(low) and math.isfinite(high)) or low < 0:
        raise DataError(f"{path} holds values from {low:g} to {high:g}; a picture has 0 and above")
    scale = 255.0 / high if high > 255 or (frames.dtype.kind == "f" and 0 < high <= 1) else 1.0
    return np.rint(frames.astype(np.float64) * scale).astype(np.uint8)


def label_values(frames: np.ndarray) -> list[int] | None:
    """The labels in ascending order where real frames (T, H, W) are a label map; None where they are a picture.

    A label map holds at most 16 whole numbers, 0 (the background) among them, in areas: of the neighbouring pixels
    that are not both background at most three in ten differ. Where there is only one value it is neither.
    """
    if len(np.unique(frames[0])) > MOST_LABELS:
        return None
    values = np.unique(frames)
    if not 2 <= len(values) <= MOST_LABELS or values[0] != 0 or (values != np.rint(values)).any():
        return None
    differing = inside = 0
    for one, other in ((frames[:, 1:], frames[:, :-1]), (frames[:, :, 1:], frames[:, :, :-1])):
        differing += int((one != other).sum())
        inside += int(((one != 0) | (other != 0)).sum())
    return [int(value) for value in values] if differing <= _MOST_BORDER * inside else None


def in_words(values: Sequence[float]) -> str:
    """ "0, 1 and 2"; the first few where there are many."""
    texts = [f"{value:g}" for value in values]
    if len(texts) > MOST_LABELS:
        return f"{', '.join(texts[:4])} and {len(texts) - 4} more"
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
