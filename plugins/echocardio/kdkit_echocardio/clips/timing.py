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


def with_times(path: Path, clip: Clip, times: np.ndarray) -> Clip:
    """The clip at the rate of its frames' time stamps, resampled to an even one where they are uneven.

    ``times``: float (T,), seconds, in any order. Where some are equal, or no scanner's clock steps like them, they
    mean nothing, and the clip keeps its rate. Resampling takes for each moment the nearest frame.
    Raises :class:`kdkit.DataError` where the resampled clip would be too large.
    """
    # Some containers give times in the order of decoding; frames come in that of showing.
    times = np.sort(times)
    steps = np.diff(times)
    if len(times) != len(clip.frames) or not np.isfinite(times).all() or not (steps > 0).all():
        return clip
    mean = float(steps.mean())
    usual = float(np.percentile(steps, _USUAL, method="lower"))
    for step, drift in ((mean, _JITTER), (usual, _MOST_DRIFT)):
        rate = plausible_rate(1.0 / step)
        even = times[0] + step * np.arange(len(times))
        if rate is not None and np.abs(times - even).max() <= drift * step:
            return replace(clip, fps=rate)
    if rate is None:
        return clip
    step = usual
    count = round((times[-1] - times[0]) / step) + 1
    check_extent(path, count, clip.frames.shape[2], clip.frames.shape[1])
    moments = times[0] + step * np.arange(count)
    later = np.searchsorted(times, moments).clip(1, len(times) - 1)
    nearest = np.where(moments - times[later - 1] <= times[later] - moments, later - 1, later)
    return replace(clip, frames=clip.frames[nearest], fps=rate, flags=(*clip.flags, "variable-rate"))
