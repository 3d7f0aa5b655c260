"""Simulated clips that a source can learn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...phantom import simulate
from .clips import SIDE, read_beats, teacher_masks

STREAM = 10
FPS, FRAMES = 16.0, 32

# What the teacher must at least reach at end-diastole and end-systole, and how far its area ejection fraction, in
# percent, may lie from the simulated one: a source cannot learn from clips whose beat cannot be measured.
LEAST_DICE, LARGEST_ERROR = 0.7, 15.0


class ReadableClip(NamedTuple):
    """``frames`` uint8 (T, H, W); ``fraction``, the ejection fraction in percent, and ``start``, an end-diastole."""

    frames: np.ndarray
    fraction: float
    start: int


def readable_clip(seed: int, index: int, variety: float) -> ReadableClip | None:
    """A simulated clip, with the ejection fraction that the embedded teacher reads in it by the method of discs.

    None where the teacher cannot read it. ``variety``: see :func:`kdkit_echocardio.phantom.simulate`.
    """
    rng = np.random.default_rng([seed, STREAM, index])
    clip = simulate(rng, frames=FRAMES, size=SIDE, fps=FPS, variety=variety)
    areas = clip.mask.sum(axis=(1, 2))
    moments = [int(areas.argmax()), int(areas.argmin())]
    predicted, true = teacher_masks(clip.frames[moments]), clip.mask[moments]
    dice = 2.0 * (predicted & true).sum(axis=(1, 2)) / (predicted.sum(axis=(1, 2)) + true.sum(axis=(1, 2)))
    if dice.min() < LEAST_DICE or abs(_area_fraction(predicted) - _area_fraction(true)) > LARGEST_ERROR:
        return None
    fraction, _ = read_beats(clip.frames, FPS)
    # What follows the start must show most of a beat.
    start = next((frame for frame in clip.ed if frame <= FRAMES // 2), 0)
    return ReadableClip(clip.frames, fraction, start) if np.isfinite(fraction) else None


def _area_fraction(masks: np.ndarray) -> float:
    """The area ejection fraction, percent, of a mask at end-diastole and one at end-systole."""
    diastolic, systolic = masks.sum(axis=(1, 2))
    return float(100.0 * (diastolic - systolic) / max(diastolic, 1))
