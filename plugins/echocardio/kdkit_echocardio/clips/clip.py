"""A clip as it was read, before anything is fitted to a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import DataError, largest_bytes, too_large

from .colour import ColourShare, to_grey
from .sector import find_sector

MIN_FRAMES = 2
"""A still image has no beat: no end-systole, no ejection fraction."""

_SLOWEST, _FASTEST = 1.0, 1000.0

# A damaged header can claim any size. No ultrasound picture is so wide or high; and what is narrow and long would be
# widened to a square.
LONGEST_SIDE = 4096
MOST_PIXELS = LONGEST_SIDE * LONGEST_SIDE


class StillError(DataError):
    """A file that can be read and holds one picture."""


@dataclass(frozen=True)
class Clip:
    """The frames of a file and its metadata.

    ``frames``: uint8 (T, H, W), grey, T >= 2. ``fps``: frames per second, None where the file does not say.
    ``spacing_mm``: the side of a (square) pixel in millimetres, None where unknown.
    ``region``: the box of the 2D tissue picture in pixels, (left, top, right, bottom) with right and bottom excluded,
    where the file names one.
    ``times``: when each frame was taken, float (T,), seconds, where its file says; perhaps in the order of decoding.
    ``coloured``: the share of the bright pixels that were coloured before they became grey, 0..1.
    ``flags``: words of :data:`kdkit_echocardio.flags.FLAGS` for what the reader did not believe of the file.
    ``stored``: of each frame its number in the file, from 0, int (T,), where they are not those of the file in order.
    ``directions``: which way columns and rows run in the world by the header, 1 or -1 each; None where unknown.
    """

    frames: np.ndarray
    fps: float | None = None
    spacing_mm: float | None = None
    region: tuple[int, int, int, int] | None = None
    times: np.ndarray | None = None
    coloured: float = 0.0
    flags: tuple[str, ...] = ()
    stored: np.ndarray | None = None
    directions: tuple[int, int] | None = None

    @cached_property
    def sector(self) -> np.ndarray:
        """The ultrasound sector, bool (H, W); see :func:`kdkit_echocardio.clips.sector.find_sector`."""
        return find_sector(self.frames, self.region)


def build_clip(path: Path, pictures: Iterable[np.ndarray], **metadata: Any) -> Clip:
    """The clip of these pictures, uint8 grey (H, W) or RGB (H, W, 3); they are taken one at a time.

    Raises :class:`StillError` for a single one, and :class:`kdkit.DataError` where they do not form a clip or would
    take more memory than one file may.
    """
    # It grows in place: a list would have to be copied into an array, and both be held at once.
    pixels = bytearray()
    share = ColourShare()
    shape: tuple[int, ...] | None = None
    count = 0
    for count, picture in enumerate(pictures, 1):
        grey = to_grey(picture)
        if shape is None:
            shape = grey.shape
            check_extent(path, 1, shape[1], shape[0])
        if grey.shape != shape:
            raise DataError(
                f"{path} changes its frame size: {_size(shape)} and {_size(grey.shape)} pixels",
                "Export each part as a file of its own.",
            )
        check_extent(path, count, shape[1], shape[0])
        share.add(picture)
        pixels += grey.tobytes()
    if shape is None:
        raise DataError(f"{path} holds no frames")
    if count < MIN_FRAMES:
        raise StillError(
            f"{path} is a still image: 1 frame of {_size(shape)} pixels",
            "A clip of at least one heart beat is needed.",
        )
    frames = np.frombuffer(pixels, np.uint8).reshape(count, *shape)
    return Clip(frames, **({"coloured": share.value()} | metadata))


def check_extent(path: Path, count: int, width: float, height: float) -> None:
    """Raise :class:`kdkit.DataError` for an implausible size of a clip, before anything is decoded."""
    if max(width, height) > LONGEST_SIDE:
        raise DataError(
            f"{path} claims frames of {width:.0f}x{height:.0f} pixels; at most 4096x4096 are read",
            "Export it at the scanner's own size.",
        )
    # While a clip is read it lies in memory up to twice.
    if 2 * count * width * height > largest_bytes():
        raise too_large(path, f"is too long: {count} frames of {width:.0f}x{height:.0f} pixels")


def plausible_rate(fps: float | None) -> float | None:
    """``fps`` where it can be a frame rate; containers without one give 0, NaN or their clock's ticks."""
    return float(fps) if fps is not None and _SLOWEST <= fps <= _FASTEST else None


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[::-1]))
