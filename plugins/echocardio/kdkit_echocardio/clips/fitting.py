"""Fitting a clip of any size to the square that networks take, and their predictions back to the clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from .clip import Clip

SIDE = 112
"""Height and width in pixels that teachers and students work at; EchoNet-Dynamic's (Ouyang et al. 2020)."""

# A wide sector loses its flanks, as in EchoNet-Dynamic's own preparation, rather than the heart its pixels.
_WIDTH_KEPT = 0.7


@dataclass(frozen=True)
class Square:
    """Where the square lies in the clip: its corner and side in the clip's pixels, and the clip's size.

    The corner may lie outside the clip; what lies outside is black.
    """

    left: int
    top: int
    side: int
    height: int
    width: int

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Square:
        """The square that :meth:`as_info` described."""
        return cls(**info)

    def as_info(self) -> dict[str, int]:
        """For a sample's ``info``: JSON-able."""
        return asdict(self)


def fit(clip: Clip) -> tuple[np.ndarray, Square]:
    """The clip as uint8 (T, 112, 112), and the square that was cut out.

    Everything outside the sector (text, electrocardiogram) is set to black; a square around it is cut out and resized
    by pixel area. A clip of that size is not changed.
    """
    height, width = clip.frames.shape[1:]
    if (height, width) == (SIDE, SIDE):
        return clip.frames, Square(0, 0, SIDE, SIDE, SIDE)
    square = _around(clip.sector)
    inside = _crop_square(clip.sector.astype(np.uint8), square)
    return np.stack([_resized(_crop_square(frame, square) * inside) for frame in clip.frames]), square


def cut_out(frame: np.ndarray, square: Square) -> np.ndarray:
    """The square of a frame, uint8 or float32 (H, W), as (112, 112)."""
    return _resized(_crop_square(frame, square))


def _resized(canvas: np.ndarray) -> np.ndarray:
    # Area averages when shrinking; enlarged by it, pixels would become visible blocks.
    method = cv2.INTER_AREA if len(canvas) > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(canvas, (SIDE, SIDE), interpolation=method))


def restore(probability: np.ndarray, square: Square) -> Iterator[np.ndarray]:
    """The frames of a prediction (T, 112, 112) at the clip's own size: float32 (H, W) each, 0 outside the square."""
    for frame in np.asarray(probability, np.float32):
        if (square.height, square.width) == frame.shape:
            yield frame
        else:
            method = cv2.INTER_LINEAR if square.side > SIDE else cv2.INTER_AREA
            yield _paste(cv2.resize(frame, (square.side, square.side), interpolation=method), square)


def _around(sector: np.ndarray) -> Square:
    """The square around a sector, bool (H, W)."""
    rows, columns = np.flatnonzero(sector.any(1)), np.flatnonzero(sector.any(0))
    height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    side = max(height, round(_WIDTH_KEPT * width))
    left = round((columns[0] + columns[-1] + 1 - side) / 2)
    top = round((rows[0] + rows[-1] + 1 - side) / 2)
    return Square(int(left), int(top), int(side), *sector.shape)


def _crop_square(frame: np.ndarray, square: Square) -> np.ndarray:
    canvas = np.zeros((square.side, square.side), frame.dtype)
    inside, outside = _overlap(square)
    canvas[inside] = frame[outside]
    return canvas


def _paste(canvas: np.ndarray, square: Square) -> np.ndarray:
    frame = np.zeros((square.height, square.width), canvas.dtype)
    inside, outside = _overlap(square)
    frame[outside] = canvas[inside]
    return frame


def _overlap(square: Square) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part that square and clip share, as slices of the square and of the clip."""
    top, left = max(0, square.top), max(0, square.left)
    bottom, right = min(square.height, square.top + square.side), min(square.width, square.left + square.side)
    inside = (slice(top - square.top, bottom - square.top), slice(left - square.left, right - square.left))
    return inside, (slice(top, bottom), slice(left, right))
