"""A clip as it was read, before anything is fitted to a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdkit import DataError

MIN_FRAMES = 2
"""A still image has no beat: no end-systole, no ejection fraction."""

_SLOWEST, _FASTEST = 1.0, 1000.0


@dataclass(frozen=True)
class Clip:
    """Frames of a file and what the file says of them.

    ``frames``: uint8 (T, H, W), grey, T >= 2. ``fps``: frames per second, None where the file does not say.
    ``spacing_mm``: the side of a (square) pixel in millimetres, None where unknown.
    ``region``: the box of the 2D tissue picture in pixels, (left, top, right, bottom) with right and bottom excluded,
    where the file names one.
    """

    frames: np.ndarray
    fps: float | None = None
    spacing_mm: float | None = None
    region: tuple[int, int, int, int] | None = None


def checked(path: Path, frames: list[np.ndarray], **known: object) -> Clip:
    """The clip of these grey frames; raises :class:`kdkit.DataError` unless they make one."""
    if not frames:
        raise DataError(f"{path} holds no frames")
    shapes = {frame.shape for frame in frames}
    if len(shapes) > 1:
        raise DataError(f"{path} changes its frame size: {' and '.join(sorted(map(str, shapes)))}")
    height, width = frames[0].shape
    if len(frames) < MIN_FRAMES:
        raise DataError(
            f"{path} is a still image: 1 frame of {width}x{height} pixels",
            "A clip of at least one heart beat is needed.",
        )
    return Clip(np.stack(frames), **known)  # type: ignore[arg-type]


def plausible_rate(fps: float | None) -> float | None:
    """``fps`` where it can be a frame rate; containers without one give 0, NaN or their clock's ticks."""
    return float(fps) if fps is not None and _SLOWEST <= fps <= _FASTEST else None
