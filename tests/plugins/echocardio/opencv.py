"""OpenCV as a writer of videos that tests read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

# OpenCV 5 moved its logging functions here; OpenCV 4 has them at the top.
_LOGGING: Any = getattr(cv2.utils, "logging", cv2)
_SILENT = 0


@contextmanager
def silence_opencv() -> Iterator[None]:
    """Keep OpenCV and its FFmpeg from writing to stderr."""
    # FFmpeg's own level is read from the environment when OpenCV first opens a video; -8 is AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = _LOGGING.getLogLevel()
    _LOGGING.setLogLevel(_SILENT)
    try:
        yield
    finally:
        _LOGGING.setLogLevel(level)
