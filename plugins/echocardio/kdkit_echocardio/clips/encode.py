"""Writing MP4 files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kdkit import KdkitError

from .atomic import replacing

# In this order, what the installed FFmpeg has. Every browser plays the first three; MPEG-4 Part 2 needs a player.
# The wheels of PyAV bring x264, which is under the GPL; builds without it have one of the others.
_ENCODERS = {
    "libx264": {"preset": "ultrafast", "crf": "25"},
    "libopenh264": {},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "32", "b": "0"},
    "mpeg4": {"q": "4"},
}
# Frame rates as fractions that a container can hold.
_FINEST_RATE = 1000


def write_mp4(path: Path, pictures: Iterable[np.ndarray], fps: float) -> None:
    """Write uint8 RGB pictures (H, W, 3) of one size, at least one; odd sizes gain a row or column.

    Raises :class:`kdkit.KdkitError` when the file cannot be written; nothing half-written stays.
    """
    import av

    stream = iter(pictures)
    first = _even(next(stream))
    with replacing(path) as partial:
        partial.touch()  # the system's own reason, if it is one of writing: no such folder, read-only
        try:
            with av.open(str(partial.absolute()), "w", format="mp4", options={"movflags": "faststart"}) as container:
                encoder = _add_encoder(container, first, fps)
                for picture in chain([first], map(_even, stream)):
                    # OpenCV's conversion takes a third of the time of FFmpeg's.
                    planes: Any = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
                    container.mux(encoder.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
                container.mux(encoder.encode(None))
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error


def _add_encoder(container: Any, first: np.ndarray, fps: float) -> Any:
    import av

    for name, options in _ENCODERS.items():
        if name not in av.codecs_available:
            continue
        stream = container.add_stream(name, rate=Fraction(fps).limit_denominator(_FINEST_RATE), options=options)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        # One thread where many files are written at a time; else as many as the encoder likes.
        stream.thread_count = int(os.environ.get("OMP_NUM_THREADS", "0"))
        return stream
    raise KdkitError("this build of PyAV has no MP4 encoder", "pip install --force-reinstall av")


def _even(picture: np.ndarray) -> np.ndarray:
    """Codecs that share colour between 2x2 pixels need even sizes: the last row or column is doubled."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    return np.ascontiguousarray(picture)


def write_gif(path: Path, pictures: Iterable[np.ndarray], fps: float) -> None:
    """Write uint8 RGB pictures (H, W, 3) of one size, at least one, as an endless GIF, at most 50 frames a second.

    Raises :class:`kdkit.KdkitError` when the file cannot be written; nothing half-written stays.
    """
    first, *rest = _paletted(pictures)
    with replacing(path) as partial:
        # Viewers show frames of less than 20 ms as if they lasted 100.
        milliseconds = max(20, round(1000 / fps))
        first.save(partial, "GIF", save_all=True, append_images=rest, loop=0, duration=milliseconds)


def _paletted(pictures: Iterable[np.ndarray]) -> Iterator[Any]:
    from PIL import Image

    for picture in pictures:
        yield Image.fromarray(picture).quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
