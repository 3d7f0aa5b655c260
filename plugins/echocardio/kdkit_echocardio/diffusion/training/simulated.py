"""Simulated clips that a source can learn from."""

from __future__ import annotations

import numpy as np

from ...phantom import simulate
from .clips import SIDE, read_beats, teacher_masks

STREAM = 10
FPS, FRAMES = 16.0, 32
# Enough for a clip to begin at an end-diastole at 42 beats a minute, the slowest that is simulated.
_SIMULATED = FRAMES + 24

# What the teacher must at least reach at end-diastole and end-systole, and how far its area ejection fraction, in
# percent, may lie from the simulated one: a source cannot learn from clips whose beat nobody can read.
LEAST_DICE, LARGEST_ERROR = 0.7, 15.0


def readable_clip(seed: int, index: int, variety: float) -> tuple[np.ndarray, float] | None:
    """A simulated clip uint8 (T, H, W) from an end-diastole on, and its ejection fraction, percent.

    The ejection fraction is the embedded teacher's, by the method of discs.

    None where the teacher cannot read it. ``variety``: see :func:`kdkit_echocardio.phantom.simulate`.
    """
    rng = np.random.default_rng([seed, STREAM, index])
    clip = simulate(rng, frames=_SIMULATED, size=SIDE, fps=FPS, variety=variety)
    if clip.ed[0] + FRAMES > _SIMULATED:
        return None
    shown = slice(clip.ed[0], clip.ed[0] + FRAMES)
    frames, masks = clip.frames[shown], clip.mask[shown]
    areas = masks.sum(axis=(1, 2))
    moments = [int(areas.argmax()), int(areas.argmin())]
    found, true = teacher_masks(frames[moments]), masks[moments]
    dice = 2.0 * (found & true).sum(axis=(1, 2)) / (found.sum(axis=(1, 2)) + true.sum(axis=(1, 2)))
    if dice.min() < LEAST_DICE or abs(_area_fraction(found) - _area_fraction(true)) > LARGEST_ERROR:
        return None
    fraction, _ = read_beats(frames, FPS)
    return (frames, fraction) if np.isfinite(fraction) else None


def _area_fraction(masks: np.ndarray) -> float:
    """The area ejection fraction, percent, of a mask at end-diastole and one at end-systole."""
    diastolic, systolic = masks.sum(axis=(1, 2))
    return float(100.0 * (diastolic - systolic) / max(diastolic, 1))
