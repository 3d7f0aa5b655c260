"""The ejection fraction of a clip as people need it: with an interval, or with the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .beats import LEAST_FRAMES, LONGEST_BEAT, Beats
from .geometry import binarize, ejection_fraction, largest_component, volume

# A border's uncertainty is where its probability crosses these: a standard deviation within and beyond it.
WITHIN, BEYOND = 0.84, 0.16

# What of that uncertainty does not cancel between ED and ES: a border that is misjudged in one is in the other, too.
OWN_SHARE = 0.5

# The error that is there even where the mask is sure, in points: between one beat and another of the same heart, and
# for what the network is wrong about without knowing.
LEAST_DEVIATION = 5.0

# The interval's ends, in deviations from the value, set on a student of the default run and 145 simulated hearts so
# that they hold 95 % of the true ejection fractions; benchmarks/ejection.py measures it on others, and of other
# students. They are not symmetric: where walls are hard to see, a mask moves less than its heart.
LOWER, UPPER = -0.9, 2.2

# An interval that is wider, in points, says nothing that one does not know beforehand.
WIDEST = 60.0


# Beats a minute of a normal heart at rest, at most: where so many are told apart, the frames are not too few.
FASTEST_AT_REST = 100.0


class Ejection(NamedTuple):
    """An ejection fraction and its 95 % interval, percent; where all are None, ``reason`` says why."""

    value: float | None
    low: float | None
    high: float | None
    reason: str = ""


def no_ejection(reason: str) -> Ejection:
    return Ejection(None, None, None, reason)


def area_ejection(probability: np.ndarray, beats: Beats, fps: float | None = None) -> Ejection:
    """The ejection fraction of areas; see :func:`measure_ejection`."""
    return measure_ejection(probability, beats, fps, lambda mask: float(mask.sum()))


def discs_ejection(probability: np.ndarray, beats: Beats, fps: float | None = None) -> Ejection:
    """The ejection fraction of volumes by the method of discs; see :func:`measure_ejection`."""
    return measure_ejection(probability, beats, fps, volume)


def measure_ejection(
    probability: np.ndarray, beats: Beats, fps: float | None, size: Callable[[np.ndarray], float]
) -> Ejection:
    """The ejection fraction by a ``size`` of masks, from ``probability`` (T, H, W), 0..1, over all beats.

    ``fps``: frames per second, None where unknown; it only helps to say why there is no value.
    The value is that of the mean sizes at all ED and all ES frames. Its deviation has three parts, added as squares:
    the border's own uncertainty at ED and ES, by the sizes within and beyond which the mask is sure; the spread
    between beats over the root of their number; and :data:`LEAST_DEVIATION`. Without ED or ES, without a whole beat,
    where the mask is nowhere sure in one of these frames, or where the interval would be wider than
    :data:`WIDEST`, there is no value.
    """
    lack = _lack_of_beats(beats, len(probability), fps)
    if lack:
        return no_ejection(lack)
    sizes = {frame: _sizes(probability[frame], size) for frame in (*beats.ed.tolist(), *beats.es.tolist())}
    unsure = [frame for frame, (inner, _, _) in sizes.items() if inner <= 0]
    if unsure:
        return no_ejection(f"the ventricle is hardly seen in frame {min(unsure)}")
    ed, es = (np.array([sizes[frame] for frame in frames.tolist()]).mean(0) for frames in (beats.ed, beats.es))
    value = ejection_fraction(float(ed[1]), float(es[1]))
    single = [ejection_fraction(sizes[d][1], sizes[s][1]) for d, s in beats.pairs()]
    deviation = float(np.sqrt(_mask_variance(ed, es) + _variance_of_mean(single) + LEAST_DEVIATION**2))
    low, high = (float(np.clip(value + end * deviation, 0, 100)) for end in (LOWER, UPPER))
    if high - low > WIDEST:
        return no_ejection(f"the contours are too unsure: {low:.0f} to {high:.0f} %")
    return Ejection(value, low, high)


def _lack_of_beats(beats: Beats, frames: int, fps: float | None) -> str:
    """Why the beats do not suffice, "" where they do.

    A clip shows less than a beat only where it is short, and where its frames are many enough to tell.
    """
    is_missing = len(beats.ed) == 0 or len(beats.es) == 0
    if not is_missing and not _is_cut_off(beats, frames):
        return ""
    seconds, fastest = (frames / fps, 60 * fps / LEAST_FRAMES) if fps else (0.0, math.inf)
    reasons = []
    if fastest < FASTEST_AT_REST:
        reasons.append(f"at {fps:.3g} frames a second beats faster than {fastest:.0f} a minute cannot be told apart")
    if seconds > LONGEST_BEAT and not is_missing:
        reasons.append("the frame rate that the file gives may be wrong")
    if not reasons:
        return "no beat was found" if is_missing else "the clip shows less than a beat"
    lack = "no beat was found" if is_missing else f"no whole beat was found in {seconds:.3g} s"
    return f"{lack}: {', or '.join(reasons)}"


def _is_cut_off(beats: Beats, frames: int) -> bool:
    """Whether one ED and one ES are all there is, and the clip begins or ends with one of them.

    The ventricle may then have been larger, or smaller, just outside of the clip.
    """
    events = {*beats.ed.tolist(), *beats.es.tolist()}
    return len(events) < 3 and not events.isdisjoint({0, frames - 1})


def _sizes(probability: np.ndarray, size: Callable[[np.ndarray], float]) -> tuple[float, float, float]:
    """The sizes of one frame's cavity within the border's uncertainty, at the border, and beyond it."""
    masks = probability >= WITHIN, binarize(probability), probability >= BEYOND
    inner, middle, outer = (size(largest_component(mask)) for mask in masks)
    return inner, middle, outer


def _mask_variance(ed: np.ndarray, es: np.ndarray) -> float:
    """The variance, in points squared, of ``100 (1 - ES / ED)`` by the borders' uncertainty at both."""
    errors = [OWN_SHARE * float(np.log(outer / inner)) / 2 for inner, _, outer in (ed, es)]
    return (100 * float(es[1] / ed[1])) ** 2 * sum(error**2 for error in errors)


def _variance_of_mean(values: Sequence[float]) -> float:
    return float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else 0.0
