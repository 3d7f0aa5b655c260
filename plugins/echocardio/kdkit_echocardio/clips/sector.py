"""The ultrasound sector in a scanner's picture.

The sector is where the picture moves: the heart beats and speckle flickers, while burnt-in text, scales and logos
are static. An electrocardiogram moves too, but its thin trace does not survive a morphological opening.
"""

from __future__ import annotations

import cv2
import numpy as np

_MOST_FRAMES = 64
# Grey levels. Recompression makes still text flicker by about half a level.
_LEAST_ACTIVITY = 0.75
_RELATIVE_ACTIVITY = 0.03
_STILL_LEVEL = 12.0
# Shares of the shorter side: what is thinner than the opening is no sector; shadows narrower than the closing are.
_OPENING, _CLOSING = 0.025, 0.08
_LEAST_SHARE = 0.05
# Of the moving picture: a region that holds less is another picture's, and is not believed.
_LEAST_HELD = 0.5


def find_sector(frames: np.ndarray, region: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """The convex hull of the sector: bool (H, W) for uint8 frames (T, H, W).

    ``region``: a box (left, top, right, bottom) that is known to hold the sector. Where nothing like a sector is
    found (less than a twentieth of the frame), the region, or without one the whole frame, is returned.
    """
    signal = _signal(frames)
    allowed = np.zeros(frames.shape[1:], bool)
    left, top, right, bottom = region or (0, 0, frames.shape[2], frames.shape[1])
    allowed[top:bottom, left:right] = True
    if region and not _holds_most(allowed, signal):
        allowed[:] = True
    hull = hull_of((signal & allowed).astype(np.uint8))
    return hull & allowed if hull.mean() >= _LEAST_SHARE else allowed


def _holds_most(box: np.ndarray, signal: np.ndarray) -> bool:
    """Whether a box holds at least half of what looks like a sector, if anything does."""
    hull = hull_of(signal.astype(np.uint8))
    return bool(hull.mean() < _LEAST_SHARE or (hull & box).sum() >= _LEAST_HELD * hull.sum())


def _signal(frames: np.ndarray) -> np.ndarray:
    """Where the picture moves, or, in a static clip, where it is bright: bool (H, W)."""
    sampled_frames = frames[np.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES)).astype(int)]
    total = np.zeros(frames.shape[1:], np.float32)
    squares = np.zeros_like(total)
    for frame in sampled_frames:
        cv2.accumulate(frame, total)
        cv2.accumulateSquare(frame, squares)
    mean = total / len(sampled_frames)
    deviation = np.sqrt(np.maximum(squares / len(sampled_frames) - mean * mean, 0.0))
    deviation = cv2.blur(deviation, (3, 3))
    moving = deviation > max(_LEAST_ACTIVITY, _RELATIVE_ACTIVITY * float(np.percentile(deviation, 99)))
    return moving if moving.mean() >= _LEAST_SHARE else mean > _STILL_LEVEL


def hull_of(signal: np.ndarray) -> np.ndarray:
    """The convex hull of the largest piece of uint8 0/1 (H, W)."""
    foreground = cv2.morphologyEx(signal, cv2.MORPH_OPEN, _disc(signal.shape, _OPENING))
    filled = _close(foreground, _disc(signal.shape, _CLOSING))
    contours, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = np.zeros(signal.shape, np.uint8)
    if contours:
        cv2.fillConvexPoly(hull, cv2.convexHull(max(contours, key=cv2.contourArea)), (1,))
    return hull.astype(bool)


def _close(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Closing that does not stick to the frame's border."""
    margin = kernel.shape[0]
    padded = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(0,))
    return cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[margin:-margin, margin:-margin].copy()


def _disc(shape: tuple[int, ...], share: float) -> np.ndarray:
    size = max(3, round(share * min(shape)) | 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
