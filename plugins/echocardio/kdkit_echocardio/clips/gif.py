"""Reading animated GIF files through Pillow, which knows the duration of each frame."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from kdkit import DataError

from .clip import Clip, bounded, build_clip, check_size, plausible_rate

_TRAILER = b";"


def read_gif(path: Path) -> Clip:
    """The clip in a GIF file. Raises :class:`kdkit.DataError` if it is empty, truncated or damaged."""
    frames: list[np.ndarray] = []
    durations: list[float] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's on large pictures: here they are refused
            with Image.open(path, formats=["GIF"]) as image:
                check_size(path, *image.size)
                frames.extend(bounded(path, _decode_frames(path, image, durations)))
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged bytes: OSError, EOFError, IndexError, ...
        raise DataError(f"{path} is truncated or damaged after {len(frames)} frames: {error}") from error
    if not path.read_bytes().rstrip(b"\0").endswith(_TRAILER):
        raise DataError(f"{path} is truncated: its end is missing after {len(frames)} frames")
    return build_clip(path, frames, fps=_rate(durations))


def _decode_frames(path: Path, image: Image.Image, durations: list[float]) -> Iterator[np.ndarray]:
    """The grey frames, uint8 (H, W); the duration of each, in milliseconds, is appended to ``durations``."""
    for frame in ImageSequence.Iterator(image):
        check_size(path, *frame.size)  # a later frame may reach beyond the picture and enlarge it
        durations.append(float(frame.info.get("duration", 0)))
        yield np.asarray(frame.convert("L"))


def _rate(durations: list[float]) -> float | None:
    """Frames per second from durations in milliseconds."""
    mean = sum(durations) / len(durations) if durations else 0.0
    return plausible_rate(1000.0 / mean) if mean > 0 else None
