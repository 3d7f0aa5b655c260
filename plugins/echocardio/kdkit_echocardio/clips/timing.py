"""Frame rates from time stamps, and clips whose frames follow each other unevenly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from .clip import Clip, check_extent, plausible_rate

# Percentile of the intervals that counts as the usual one: a clip that is fast for a while keeps all its frames.
_USUAL = 20
# Of an interval: times that stray no further from even ones only jitter, as clocks of containers and scanners do.
_JITTER = 0.6
# Intervals. Cutting without re-encoding often loses the last frame but one: no reason to touch the others.
_MOST_DRIFT = 1.5


def apply_times(path: Path, clip: Clip, resample: bool) -> Clip:
    """The clip at the rate of its frames' times; where those are uneven, resampled to an even one if ``resample``.

    Where some are equal, or no scanner's clock steps like them, they mean nothing, and the clip keeps its rate.
    Resampling takes for each moment the nearest frame.
    Raises :class:`kdkit.DataError` where the resampled clip would be too large.
    """
    if clip.times is None or len(clip.times) != len(clip.frames):
        return clip
    # Some containers give times in the order of decoding; frames come in that of showing.
    times = np.sort(clip.times)
    steps = np.diff(times)
    if not np.isfinite(times).all() or not (steps > 0).all():
        return clip
    mean = float(steps.mean())
    usual = float(np.percentile(steps, _USUAL, method="lower"))
    for step, drift in ((mean, _JITTER), (usual, _MOST_DRIFT)):
        rate = _rate(step)
        even = times[0] + step * np.arange(len(times))
        if rate is not None and np.abs(times - even).max() <= drift * step:
            return replace(clip, fps=rate)
    if not resample or rate is None:
        return replace(clip, fps=_rate(mean) or clip.fps)
    count = round((times[-1] - times[0]) / usual) + 1
    check_extent(path, count, clip.frames.shape[2], clip.frames.shape[1])
    moments = times[0] + usual * np.arange(count)
    later = np.searchsorted(times, moments).clip(1, len(times) - 1)
    nearest = np.where(moments - times[later - 1] <= times[later] - moments, later - 1, later)
    flags = (*clip.flags, "variable-rate")
    return replace(clip, frames=clip.frames[nearest], fps=rate, times=moments, flags=flags, stored=nearest)


def _rate(step: float) -> float | None:
    """Frames per second of an interval; times are no more exact than a millionth."""
    return plausible_rate(round(1.0 / step, 6))
