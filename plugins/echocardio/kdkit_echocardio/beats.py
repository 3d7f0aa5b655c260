"""Heart beats in an area curve, detected without a reference."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.int64]

# Heart rates from 30 to 200 beats a minute, as the longest and shortest beat in seconds.
LONGEST_BEAT, SHORTEST_BEAT = 60 / 30, 60 / 200

# From so many frames a beat on all beats are told apart, see :func:`find_beats`.
LEAST_FRAMES = 7

# Trembling from frame to frame is averaged out over this time (standard deviation in seconds): a curve that hardly
# trembles, and one whose roughness is ROUGH or more.
CALM_SMOOTHING, ROUGH_SMOOTHING, ROUGH = 0.02, 0.06, 0.5

# What counts as an event, in shares of the curve's swing (5th to 95th percentile). Between two events the curve moves
# by PROMINENCE. Where the clip ends soon after an event (or began just before it), it must either have turned by TURN
# or have come within EXTREME of the lowest or highest level: otherwise the true event may lie outside the clip.
PROMINENCE, TURN, EXTREME = 0.5, 0.25, 0.1

# Within DROPOUT seconds before and after a frame the curve cannot jump to and fro by the share DROP of its swing: the
# segmentation did. Where more than the share MOST_DROPOUTS of all frames do so, the curve is noise.
DROPOUT, DROP, MOST_DROPOUTS = 0.05, 0.75, 0.1

# A swing below this share of the median area is no heart beat: an ejection fraction of 10 % swings by 0.07.
LEAST_SWING = 0.03

# The roughness of a curve, its mean squared step from frame to frame in units of its variance, is 2 for white noise,
# with a standard deviation of 2 / sqrt(frames) (von Neumann 1941); 4 for an alternating curve, and 0.7 for the
# fastest beat at EchoNet-Dynamic's lowest frame rate with a period of 7 frames. A curve is noise where it comes
# within NOISE_DEVIATIONS of what noise has, or is rougher than the larger bound; below the smaller one no curve is.
NOISE_DEVIATIONS, ROUGHNESS_BOUNDS = 2.0, (1.0, 1.3)


class Beats(NamedTuple):
    """The events of a clip: ``ed`` and ``es``, ascending frame numbers, int64. ED and ES take turns."""

    ed: Frames
    es: Frames

    def pairs(self) -> list[tuple[int, int]]:
        """(ED frame, ES frame) of each complete systole: an ED and the ES that follows it."""
        return [(int(d), int(s)) for d in self.ed for s in self.es[self.es > d][:1]]


def heart_rate(beats: Beats, fps: float | None) -> int | None:
    """Beats a minute, from the median interval between events of one kind; None where the frame rate is unknown."""
    intervals = np.concatenate([np.diff(beats.ed), np.diff(beats.es)])
    return round(60 * fps / float(np.median(intervals))) if fps and len(intervals) else None


NO_BEATS = Beats(np.empty(0, np.int64), np.empty(0, np.int64))
"""What a curve without a heart in it has."""


def find_beats(areas: np.ndarray, fps: float) -> Beats:
    """The ED and ES frames of an area curve, float (T,), recorded at ``fps`` frames per second.

    ES frames are prominent minima at least the shortest beat apart; an ED frame is the maximum between two of them,
    before the first or after the last. An event that the clip may have cut off counts only if the curve turns there
    or comes near its extremes. Frames in which the segmentation failed are bridged, and the slope of the line
    through events of one kind is subtracted. A curve that is constant, not finite, shorter than half the shortest
    beat, or as rough as noise has no beats. Raises ValueError if ``fps`` is not positive.

    Limits, measured on curves with known beats: at 40 to 180 beats a minute, all are detected in clips of 1.5 beats
    or more with at least 7 frames a beat, while noise (standard deviation, from frame to frame) stays below 2 % of
    the swing; events less than a fifth of a beat from either end of the clip may be missed, or taken from just
    outside. With 10 % of noise 0.4 % of the events are missed and none is too many, with 20 % it is 3 and 0.5 %, with
    30 % 9 and 1 %. A drift of 20 % of the swing over the clip is harmless from 2.5 beats on. Below 6 frames a beat
    nothing is detected. Where ``fps`` is only assumed, it may be half or one and a half times the true rate at 60 to
    100 beats a minute. White noise of up to 50 frames shows a beat in one clip of twenty, of 100 and more hardly
    ever.
    """
    areas = np.asarray(areas, np.float64)
    if not fps > 0:
        raise ValueError(f"the frame rate must be positive, not {fps}")
    # A clip may hold no more than one systole.
    if len(areas) < max(3, SHORTEST_BEAT / 2 * fps) or not np.isfinite(areas).all():
        return NO_BEATS
    repaired = _without_dropouts(areas, fps)
    roughness = _roughness(repaired)
    if roughness > _largest_roughness(len(repaired)):
        return NO_BEATS
    trembling = min(1.0, roughness / ROUGH)
    curve = _smooth(repaired, (CALM_SMOOTHING + trembling * (ROUGH_SMOOTHING - CALM_SMOOTHING)) * fps)
    if _swing(curve)[1] < LEAST_SWING * np.median(repaired):
        return NO_BEATS
    beats = _events(curve, fps)
    return _events(curve - _drift(curve, beats) * np.arange(len(curve)), fps)


def _events(curve: np.ndarray, fps: float) -> Beats:
    low, swing = _swing(curve)
    if swing == 0:
        return NO_BEATS
    level = (curve - low) / swing
    es = _minima(level, SHORTEST_BEAT * fps)
    ed = _maxima(level, es)
    reach = LONGEST_BEAT * fps
    return Beats(_within(ed, es, reach), _within(es, ed, reach))


def _swing(curve: np.ndarray) -> tuple[float, float]:
    """The low level of a curve, and how far the high level is above it."""
    low, high = np.percentile(curve, [5, 95])
    return float(low), float(high - low)


def _without_dropouts(areas: np.ndarray, fps: float) -> np.ndarray:
    """The curve with frames in which the ventricle was lost, or leaked, replaced by their neighbourhood's median."""
    from scipy.ndimage import median_filter

    median = median_filter(areas, 2 * max(1, int(DROPOUT * fps)) + 1, mode="nearest")
    dropouts = np.abs(areas - median) > DROP * _swing(areas)[1]
    return np.where(dropouts, median, areas) if dropouts.mean() <= MOST_DROPOUTS else areas


def _drift(curve: np.ndarray, beats: Beats) -> float:
    """The slope, per frame, of the line through events of one kind that lie well inside the clip."""
    low, swing = _swing(curve)
    products, squares = 0.0, 0.0
    for events, sign in ((beats.ed, 1), (beats.es, -1)):
        height = sign * (curve - low) / swing if swing else curve
        inner = events[[_is_event(height, frame, np.inf) for frame in events.tolist()]]
        if len(inner):
            frames = inner - inner.mean()
            products += float(frames @ curve[inner])
            squares += float(frames @ frames)
    return products / squares if squares else 0.0


def _roughness(areas: np.ndarray) -> float:
    """Of a constant curve 0."""
    return float(np.mean(np.diff(areas) ** 2) / areas.var()) if areas.var() else 0.0


def _largest_roughness(frames: int) -> float:
    """From which on a curve of so many frames is noise."""
    return float(np.clip(2.0 - NOISE_DEVIATIONS * 2.0 / math.sqrt(frames), *ROUGHNESS_BOUNDS))


def _smooth(areas: np.ndarray, frames: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(areas, frames, mode="nearest"))


def _minima(level: np.ndarray, distance: float) -> Frames:
    from scipy.signal import find_peaks

    # A rise just outside the clip, so that a minimum near its ends is not rejected for what the clip does not show.
    padded = np.pad(-level, 1, constant_values=-level.max())
    minima = find_peaks(padded, prominence=PROMINENCE, distance=max(1.0, distance))[0] - 1
    return _frames([frame for frame in minima.tolist() if _is_event(-level, frame, -EXTREME)])


def _maxima(level: np.ndarray, es: Frames) -> Frames:
    peaks = []
    for start, end in zip([0, *es], [*es, len(level) - 1], strict=True):
        stretch = level[start : end + 1]
        frame = start + int(stretch.argmax())
        if len(es) and np.ptp(stretch) >= PROMINENCE and _is_event(level, frame, 1 - EXTREME):
            peaks.append(frame)
    return _frames(peaks)


def _is_event(height: np.ndarray, frame: int, extreme: float) -> bool:
    """Whether a maximum of ``height`` is seen on both its sides, or reaches the level ``extreme``."""
    falls = height[frame] - height[: frame + 1].min(), height[frame] - height[frame:].min()
    return bool(min(falls) >= TURN or height[frame] >= extreme)


def _within(events: Frames, others: Frames, reach: float) -> Frames:
    return events[(np.abs(events[:, None] - others) <= reach).any(1)]


def _frames(values: object) -> Frames:
    return np.asarray(values, np.int64)
