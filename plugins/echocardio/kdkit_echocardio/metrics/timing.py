"""Distance in time of the predicted from the true end-diastole and end-systole.

The predicted events are those of the area curve of the masks' largest components, detected without the
reference (:func:`kdkit_echocardio.beats.find_beats`).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from kdkit import ComponentOptions, InputPath, Sample

from ..beats import Beats, find_beats
from ..geometry import area_curve, binarize, clean
from .clip_metric import ClipMetric
from .references import beats_elsewhere, reference_files
from .truth import event_frames

# Half a beat at 60 per minute: an event that is further off belongs to another beat. It is also what a missed event
# costs, so that finding nothing is never better than finding something wrong.
REACH_SECONDS = 0.5

# The area that the published rule looks at: what is brighter than this in a mask of 0..255.
ORIGINAL_THRESHOLD = 25


class Comparison(NamedTuple):
    """The events of one clip compared with the reference's.

    ``distances``: frames from each reference event to the detected one, float64; NaN for a missed event.
    ``extra``: how many detected events belong to no reference event. A clip may be annotated in part, so they are
    counted only from the first to the last reference event.
    ``fps``: frames per second.
    """

    distances: np.ndarray
    extra: int
    fps: float


def match(detected: np.ndarray, reference: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Match events one to one, the nearest pair first, up to ``reach`` frames apart.

    Returns the distance of each reference event, float64, NaN without a match; and the detected events without a
    match.
    """
    distances = np.full(len(reference), np.nan)
    unmatched = np.ones(len(detected), bool)
    distance_table = np.abs(np.subtract.outer(reference, detected)).astype(np.float64)
    while distance_table.size and distance_table.min() <= reach:
        i, j = np.unravel_index(distance_table.argmin(), distance_table.shape)
        distances[i], unmatched[j] = distance_table[i, j], False
        distance_table[i, :] = distance_table[:, j] = np.inf
    return distances, detected[unmatched]


def compare(prediction: np.ndarray, reference: Beats, fps: float) -> Comparison:
    """The events of a predicted clip, recorded at ``fps`` frames per second, compared with those of a reference."""
    reference_frames = np.concatenate(reference)
    distances, extra = [], 0
    for detected, expected in zip(find_beats(area_curve(clean(binarize(prediction))), fps), reference, strict=True):
        distance, unmatched = match(detected, expected, REACH_SECONDS * fps)
        distances.append(distance)
        extra += int(((unmatched >= reference_frames.min()) & (unmatched <= reference_frames.max())).sum())
    return Comparison(np.concatenate(distances), extra, float(fps))


class TimingMetric(ClipMetric):
    """A metric of ED and ES frames against a reference's: the sample's truth, unless an option names another."""

    version = "4"
    higher_is_better = False
    value_range = (0, math.inf)

    class Options(ComponentOptions):
        """What is compared with."""

        reference: InputPath | None = Field(
            None,
            description="Compare with this instead of the sample's own ED and ES: a table of areas with the columns "
            "Filename, Frame and Size (EchoNet-Dynamic's size.csv), or the folder of another student's predictions "
            "(kdkit predict --out).",
        )

    def __init__(self, options: ComponentOptions | None = None) -> None:
        super().__init__(options)
        if getattr(self.options, "reference", None):  # a metric with a reference of its own has no such option
            self.needs_truth = False

    def files(self) -> Sequence[Path]:
        """The files of the reference."""
        return reference_files(self.options.reference) if self.options.reference else []

    def reference(self, sample: Sample) -> Beats | None:
        """The ED and ES frames to compare with; None without any.

        Raises :class:`kdkit.DataError` when the reference cannot be read, or is of another number of frames.
        """
        if self.options.reference:
            return beats_elsewhere(self.options.reference, sample)
        beats = Beats(event_frames(sample, "ed"), event_frames(sample, "es"))
        return beats if len(beats.ed) or len(beats.es) else None


class BeatMetric(TimingMetric):
    """A metric of the events that are detected without the reference; a clip without a frame rate has none."""

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        reference, fps = self.reference(sample), sample.info.get("fps")
        return self.cases(compare(prediction, reference, fps)) if reference and fps else []

    @abstractmethod
    def cases(self, comparison: Comparison) -> list[tuple[float, ...]]:
        """What one clip gives."""


class AverageFrameDistance(BeatMetric):
    """Mean distance in frames from each reference ED and ES to the event detected for it without the reference.

    Detected events are matched one to one, the nearest first; a missed event costs half a second, the reach of a
    match (after the average frame difference of Dezaki et al. 2019; Petit et al. 2025 score with a rule that searches
    around the reference, here ``afd-original``).
    """

    unit = "frames"

    def cases(self, comparison: Comparison) -> list[tuple[float, ...]]:
        distances = np.nan_to_num(comparison.distances, nan=REACH_SECONDS * comparison.fps)
        return [(float(distance) * self.scale(comparison.fps),) for distance in distances]

    def scale(self, fps: float) -> float:
        """The metric's unit in one frame."""
        return 1.0


class AverageTimeDistance(AverageFrameDistance):
    """``afd`` in milliseconds, which clips of different frame rates have in common."""

    unit = "ms"

    def scale(self, fps: float) -> float:
        return 1000 / fps


class MissedBeats(BeatMetric):
    """Share of the reference's ED and ES events without a detected one within half a second."""

    unit = ""
    value_range = (0, 1)

    def cases(self, comparison: Comparison) -> list[tuple[float, ...]]:
        return [(float(missed),) for missed in np.isnan(comparison.distances)]


class ExtraBeats(BeatMetric):
    """ED and ES events detected without a reference event to match, as a share of the number of reference events.

    Counted from the first to the last reference event of each clip.
    """

    unit = ""

    def cases(self, comparison: Comparison) -> list[tuple[float, ...]]:
        return [(float(comparison.extra), float(len(comparison.distances)))]

    def summarize(self, cases: np.ndarray) -> float:
        return float(cases[:, 0].sum() / cases[:, 1].sum())


def select_by_reference(areas: np.ndarray, reference: int) -> int:
    """The ES frame that EchoDFKD's published rule selects; of the negative curve, the ED frame.

    Of the stretches in which the curve lies below its median (at most at it, where no frame lies below), take the one
    nearest to the reference frame, the earlier of two, and in it the first minimum.
    """
    below = areas < np.median(areas)
    if not below.any():
        below = areas <= np.median(areas)
    frames = np.flatnonzero(below)
    stretches = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    nearest = min(stretches, key=lambda stretch: np.abs(stretch - reference).min())
    return int(nearest[areas[nearest].argmin()])


class OriginalFrameDistance(TimingMetric):
    """Mean distance in frames by EchoDFKD's published rule (Petit et al. 2025), to compare with published figures.

    The area counts what is brighter than 25 of 255. The rule searches around the very frame that it is scored
    against, so white noise scores well: judge by ``afd``.
    """

    unit = "frames"

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        reference = self.reference(sample)
        if reference is None:
            return []
        areas = area_curve(prediction > np.float32(ORIGINAL_THRESHOLD / 255))
        return [
            (float(abs(select_by_reference(sign * areas, int(frame)) - frame)),)
            for sign, frames in ((1, reference.es), (-1, reference.ed))
            for frame in frames
        ]
