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

from .clip import Clip, bounded, build_clip, check_size, plausible_rate
from .container import missing_bytes

# OpenCV 5 moved its logging functions here; OpenCV 4 has them at the top.
_LOGGING: Any = getattr(cv2.utils, "logging", cv2)
_SILENT = 0


def read_video(path: Path) -> Clip:
    """The clip in a video file. Raises :class:`kdkit.DataError` if it is no video, empty, truncated or damaged."""
    with silence_opencv():
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                raise DataError(f"{path} is not a video that can be decoded", _guess(path))
            declared_count = round(max(0.0, capture.get(cv2.CAP_PROP_FRAME_COUNT)))
            fps = plausible_rate(capture.get(cv2.CAP_PROP_FPS))
            size = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
            check_size(path, *size)
            frames = list(bounded(path, _decode_frames(capture)))
        except cv2.error as error:
            raise DataError(f"{path} cannot be decoded: {error}") from error
        finally:
            capture.release()
    _check_frame_count(path, len(frames), declared_count)
    return build_clip(path, frames, fps=fps)


def _check_frame_count(path: Path, decoded_count: int, declared_count: int) -> None:
    """OpenCV stops without an error where it cannot decode further, so a cut clip looks like a short one."""
    remedy = "Copy it again from its source."
    lacking_bytes = missing_bytes(path)
    # Some encoders count one frame more than they write (packed B-frames), so one alone proves nothing.
    if decoded_count < declared_count - 1 or (lacking_bytes and decoded_count < declared_count):
        damage = "truncated" if lacking_bytes else "damaged"
        raise DataError(f"{path} is {damage}: {decoded_count} of {declared_count} frames could be decoded", remedy)
    if lacking_bytes:
        raise DataError(
            f"{path} is truncated: the last of its {decoded_count} frames lacks {lacking_bytes} bytes", remedy
        )


def _decode_frames(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        success, frame = capture.read()
        if not success:
            return
        yield frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)


def _guess(path: Path) -> str:
    """What the file is instead, judged by its first bytes."""
    if path.suffix.lower() in (".mp4", ".mov"):
        return "It may be truncated: the index of an MP4 file usually lies at its end."
    with path.open("rb") as file:
        head = file.read(512)
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    return "It looks like text." if head and printable == len(head) else ""


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
