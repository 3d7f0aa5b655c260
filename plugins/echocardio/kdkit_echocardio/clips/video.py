"""Reading video files (.avi .mp4 .mov .mkv ...) through OpenCV's FFmpeg."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kdkit import DataError

from .clip import Clip, bounded, check_size, checked, plausible_rate
from .container import missing_bytes

# OpenCV 5 moved its logging functions here; OpenCV 4 has them at the top.
_LOGGING: Any = getattr(cv2.utils, "logging", cv2)
_SILENT = 0


def read_video(path: Path) -> Clip:
    """The clip in a video file. Raises :class:`kdkit.DataError` if it is no video, empty, truncated or damaged."""
    with quiet():
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                raise DataError(f"{path} is not a video that can be decoded", _guess(path))
            declared = round(max(0.0, capture.get(cv2.CAP_PROP_FRAME_COUNT)))
            fps = plausible_rate(capture.get(cv2.CAP_PROP_FPS))
            size = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
            check_size(path, *size)
            frames = list(bounded(path, _decoded(capture)))
        except cv2.error as error:
            raise DataError(f"{path} cannot be decoded: {error}") from error
        finally:
            capture.release()
    _refuse_lost_frames(path, len(frames), declared)
    return checked(path, frames, fps=fps)


def _refuse_lost_frames(path: Path, decoded: int, declared: int) -> None:
    """OpenCV ends quietly where it cannot go on, so a cut clip looks like a short one; here it is an error."""
    remedy = "Copy it again from its source."
    missing = missing_bytes(path)
    # Some encoders count one frame more than they write (packed B-frames), so one alone proves nothing.
    if decoded < declared - 1 or (missing and decoded < declared):
        what = "truncated" if missing else "damaged"
        raise DataError(f"{path} is {what}: {decoded} of {declared} frames could be decoded", remedy)
    if missing:
        raise DataError(f"{path} is truncated: the last of its {decoded} frames lacks {missing} bytes", remedy)


def _decoded(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        whole, frame = capture.read()
        if not whole:
            return
        yield frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)


def _guess(path: Path) -> str:
    """What the file is instead, as far as its first bytes tell."""
    if path.suffix.lower() in (".mp4", ".mov"):
        return "It may be truncated: the index of an MP4 file usually lies at its end."
    with path.open("rb") as file:
        head = file.read(512)
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    return "It looks like text." if head and printable == len(head) else ""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep OpenCV and its FFmpeg from writing to stderr: their complaints become our exceptions."""
    # FFmpeg's own level is read from the environment when OpenCV first opens a video; -8 is AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = _LOGGING.getLogLevel()
    _LOGGING.setLogLevel(_SILENT)
    try:
        yield
    finally:
        _LOGGING.setLogLevel(level)
