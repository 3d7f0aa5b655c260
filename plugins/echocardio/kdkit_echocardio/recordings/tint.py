"""Detecting videos that were stored in colour: a scanner's sepia or blue map over the whole picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..clips.video import silence_opencv

# Grey levels. Darker pixels show no tint; JPEG's rounding of grey differs between channels by a few levels.
_DARK, _SPREAD = 32, 12


def is_tinted(path: Path) -> bool:
    """Whether most of what is bright in the first frame of a video is coloured; False for other files.

    Coloured text or an electrocardiogram is a small part of a picture, a tint is all of it.
    """
    with silence_opencv():
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        try:
            success, frame = capture.read()
        except cv2.error:
            return False
        finally:
            capture.release()
    if not success or frame.ndim != 3:
        return False
    bright = frame.max(2) >= _DARK
    spread = frame.max(2) - frame.min(2)
    return bool(bright.any() and np.median(spread[bright]) > _SPREAD)
