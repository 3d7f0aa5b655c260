"""The overlay: a predicted mask over the clip, and its area curve below, as a moving picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..beats import Beats
from ..drawing import FAINT, INK, blank, colour_of, enlarged, write, write_parts
from .encode import write_gif, write_mp4

# Pixels of a picture, about: enough to see a contour, few enough to encode quickly.
_PIXELS = 336 * 336
_TINT, _HALF = 0.25, 0.5
# Of the longer side: the strip needs some width, and codecs have limits.
_NARROWEST, _LONGEST = 160, 1280
_STRIP, _MARGIN, _LETTERS = 96, 14, 22


def write_overlay(
    path: Path, frames: np.ndarray, probability: Sequence[np.ndarray], areas: np.ndarray, beats: Beats, fps: float
) -> None:
    """Write the clip with the ventricle tinted and outlined, and its area curve with ED and ES below.

    ``path``: ends with ``.mp4`` or ``.gif``. ``frames``: uint8 (T, H, W); ``probability``: T arrays (H, W), 0..1;
    ``areas``: (T,), any unit; ``beats``: the ED and ES frames; ``fps``: frames per second. Raises
    :class:`kdkit.KdkitError` when the file cannot be written.
    """
    write_pictures = write_gif if path.suffix == ".gif" else write_mp4
    write_pictures(path, _pictures(frames, probability, areas, beats, fps), fps)


def _pictures(
    frames: np.ndarray, probability: Sequence[np.ndarray], areas: np.ndarray, beats: Beats, fps: float
) -> Iterator[np.ndarray]:
    height, width = _size(*frames.shape[1:])
    points = _curve(areas, width)
    strip = _strip(points, beats, width)
    tint = np.full((height, width, 3), colour_of("student"), np.uint8)
    for number, (frame, mask) in enumerate(zip(frames, probability, strict=True)):
        picture = enlarged(frame, width, height)
        _tint_and_outline(picture, mask, tint)
        event = "ED" if number in beats.ed else "ES" if number in beats.es else ""
        below = strip.copy()
        # Only the rows that the letters take: the others need not be copied.
        write_parts(
            below[:_LETTERS],
            8,
            3,
            [(f"{number / fps:.2f} s   frame {number}   ", INK), (event, colour_of("student"))],
        )
        cv2.circle(below, points[number].tolist(), 4, INK, -1, cv2.LINE_AA)
        yield np.concatenate([picture, below])


def _tint_and_outline(picture: np.ndarray, mask: np.ndarray, tint: np.ndarray) -> None:
    """Draw a mask (h, w), 0..1, of any size, in a ``tint`` as large as the picture, uint8 RGB.

    Quicker than :func:`kdkit_echocardio.drawing.outline`, and half a pixel less exact.
    """
    height, width = picture.shape[:2]
    smooth = cv2.resize(np.asarray(mask, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    inside = (smooth >= _HALF).astype(np.uint8)
    cv2.copyTo(cv2.addWeighted(picture, 1 - _TINT, tint, _TINT, 0), inside, picture)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.polylines(picture, contours, True, colour_of("student"), 1, cv2.LINE_AA)


def _size(height: int, width: int) -> tuple[int, int]:
    """The picture's height and width for a clip of this size: the same shape, as far as that can be shown."""
    zoom = min(math.sqrt(_PIXELS / (height * width)), _LONGEST / max(height, width))
    return max(2, round(zoom * height)), max(_NARROWEST, round(zoom * width))


def _curve(areas: np.ndarray, width: int) -> np.ndarray:
    """The area curve as columns and rows of the strip: int (T, 2)."""
    swing = float(np.ptp(areas)) or 1.0
    x = np.linspace(_MARGIN, width - 1 - _MARGIN, len(areas))
    y = _STRIP - _MARGIN - (areas - areas.min()) / swing * (_STRIP - 3 * _MARGIN)
    return np.rint(np.stack([x, y], 1)).astype(np.int32)


def _strip(points: np.ndarray, beats: Beats, width: int) -> np.ndarray:
    strip = blank(_STRIP, width)
    write(strip, width - 58, 4, "LV area", FAINT, 11)
    for name, frames_of_event in (("ED", beats.ed), ("ES", beats.es)):
        for frame in frames_of_event:
            x, y = points[frame].tolist()
            cv2.line(strip, (x, y), (x, _STRIP - 1), FAINT, 1)
            write(strip, min(x + 3, width - 18), _STRIP - 14, name, INK, 11)
    cv2.polylines(strip, [points], False, colour_of("student"), 1, cv2.LINE_AA)
    return strip
