"""Reading animated GIF files through Pillow, which knows the duration of each frame."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from kdkit import DataError

from .clip import Clip, build_clip, check_extent

_TRAILER = b";"
_COPY = "Copy it again from its source."


def read_gif(path: Path) -> Clip:
    """The clip in a GIF file. Raises :class:`kdkit.DataError` if it is empty, truncated or damaged."""
    durations: list[float] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's on large pictures: here they are refused
            with Image.open(path, formats=["GIF"]) as image:
                check_extent(path, 1, *image.size)
                clip = build_clip(path, _decode_frames(path, image, durations))
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged bytes: OSError, EOFError, IndexError, ...
        raise DataError(f"{path} is truncated or damaged after {len(durations)} frames: {error}", _COPY) from error
    if not path.read_bytes().rstrip(b"\0").endswith(_TRAILER):
        raise DataError(f"{path} is truncated: its end is missing after {len(durations)} frames", _COPY)
    return replace(clip, times=np.cumsum([0.0, *durations[:-1]]) / 1000.0)


def _decode_frames(path: Path, image: Image.Image, durations: list[float]) -> Iterator[np.ndarray]:
    """The frames, uint8 grey or RGB; the duration of each, in milliseconds, is appended to ``durations``."""
    for frame in ImageSequence.Iterator(image):
        check_extent(path, 1, *frame.size)  # a later frame may reach beyond the picture and enlarge it
        durations.append(float(frame.info.get("duration", 0)))
        yield np.asarray(frame.convert("L" if frame.mode in ("L", "1") else "RGB"))
