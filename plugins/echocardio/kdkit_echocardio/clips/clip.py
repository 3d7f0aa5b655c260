"""A clip as it was read, before anything is fitted to a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdkit import DataError

MIN_FRAMES = 2
"""A still image has no beat: no end-systole, no ejection fraction."""

_SLOWEST, _FASTEST = 1.0, 1000.0

# A damaged header can claim any size. No ultrasound picture is a tenth of this large, and no honest clip this long.
_MOST_PIXELS = 4096 * 4096
_MOST_BYTES = 4 << 30


@dataclass(frozen=True)
class Clip:
    """The frames of a file and its metadata.

    ``frames``: uint8 (T, H, W), grey, T >= 2. ``fps``: frames per second, None where the file does not say.
    ``spacing_mm``: the side of a (square) pixel in millimetres, None where unknown.
    ``region``: the box of the 2D tissue picture in pixels, (left, top, right, bottom) with right and bottom excluded,
    where the file names one.
    """

    frames: np.ndarray
    fps: float | None = None
    spacing_mm: float | None = None
    region: tuple[int, int, int, int] | None = None


def build_clip(path: Path, frames: list[np.ndarray], **metadata: object) -> Clip:
    """The clip of these grey frames; raises :class:`kdkit.DataError` where they do not form one."""
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
    return Clip(np.stack(frames), **metadata)  # type: ignore[arg-type]


def check_size(path: Path, width: float, height: float) -> None:
    """Raise :class:`kdkit.DataError` for an implausible frame size, before anything is decoded."""
    if width * height > _MOST_PIXELS:
        raise DataError(f"{path} claims frames of {width:.0f}x{height:.0f} pixels; at most 4096x4096 are read")


def bounded(path: Path, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames; raises :class:`kdkit.DataError` when all of them would not fit into memory."""
    total = 0
    for frame in frames:
        total += frame.nbytes
        if total > _MOST_BYTES:
            raise DataError(f"{path} is too long: its frames take more than 4 GiB", "Cut out some heart beats.")
        yield frame


def plausible_rate(fps: float | None) -> float | None:
    """``fps`` where it can be a frame rate; containers without one give 0, NaN or their clock's ticks."""
    return float(fps) if fps is not None and _SLOWEST <= fps <= _FASTEST else None
