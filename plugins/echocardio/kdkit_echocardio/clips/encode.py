"""Writing MP4 files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kdkit import KdkitError

from .atomic import replacing

# VP9 plays in every browser; OpenCV's FFmpeg has it where it was built with libvpx. MPEG-4 Part 2, the fallback, is
# always there, but needs a video player.
_CODECS = ("vp09", "mp4v")

# OpenCV 5 moved its logging functions here; OpenCV 4 has them at the top.
_LOGGING: Any = getattr(cv2.utils, "logging", cv2)
_SILENT = 0


def write_mp4(path: Path, pictures: Iterable[np.ndarray], fps: float) -> None:
    """Write uint8 RGB pictures (H, W, 3) of one size, at least one; odd sizes gain a row or column.

    Raises :class:`kdkit.KdkitError` when the file cannot be written; nothing half-written stays.
    """
    stream = iter(pictures)
    first = _even(next(stream))
    with silence_opencv(), replacing(path) as partial:
        writer = _open(partial, first, fps)
        count = 0
        try:
            for picture in chain([first], stream):
                writer.write(cv2.cvtColor(_even(picture), cv2.COLOR_RGB2BGR))
                count += 1
        finally:
            writer.release()
        if _frames_in(partial) != count:  # OpenCV does not say when the disk is full
            raise OSError(f"the video is not whole after {count} frames; is the disk full?")


def _open(path: Path, first: np.ndarray, fps: float) -> cv2.VideoWriter:
    height, width = first.shape[:2]
    for codec in _CODECS:
        writer = cv2.VideoWriter(
            str(path.absolute()), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, (width, height)
        )
        if writer.isOpened():
            return writer
        writer.release()
    path.touch()  # the system's own reason, if it is one of writing: no such folder, read-only, full
    raise KdkitError("this build of OpenCV has no MP4 encoder", "pip install opencv-python")


def _even(picture: np.ndarray) -> np.ndarray:
    """Codecs that share colour between 2x2 pixels need even sizes: the last row or column is doubled."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def _frames_in(path: Path) -> int:
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    count = round(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    return count


@contextmanager
def silence_opencv() -> Iterator[None]:
    """Keep OpenCV and its FFmpeg from writing to stderr: their complaints become our exceptions."""
    # FFmpeg's own level is read from the environment when OpenCV first opens a video; -8 is AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = _LOGGING.getLogLevel()
    _LOGGING.setLogLevel(_SILENT)
    try:
        yield
    finally:
        _LOGGING.setLogLevel(level)
