"""Predicted and true times of end-diastole and end-systole: a row for each model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kdkit import Case

from .beats import Beats, Frames, find_beats
from .curves import CONTROL
from .events import predicted_areas, true_areas
from .metrics.timing import REACH_SECONDS, match
from .metrics.truth import event_frames
from .paper import INK, chart, line_colour, svg

_ROW, _AXIS = 0.85, 0.9  # inches


class Marks(NamedTuple):
    """The events of an area curve compared with a reference's, ED and ES together, as frame numbers, int64.

    ``matched`` and ``extra``: detected events; extra ones are counted from the first to the last reference event, as
    a clip may be annotated in part. ``missed``: those of the reference. ``distances``: of the matched ones, frames.
    """

    matched: Frames
    extra: Frames
    missed: Frames
    distances: np.ndarray

    def summary(self, fps: float) -> str:
        """The counts in words: "3 of 4 events found, 1.5 frames (75 ms) off on average, 1 extra"."""
        count = len(self.matched)
        text = f"{count} of {count + len(self.missed)} events found"
        if count:
            off = float(self.distances.mean())
            text += f", {off:.1f} frames ({1000 * off / fps:.0f} ms) off on average"
        return f"{text}, {len(self.extra)} extra"


def marks(areas: np.ndarray, reference: Beats, fps: float) -> Marks:
    """The events that :func:`find_beats` detects in an area curve, float (T,), matched as the timing metrics do."""
    reference_frames = np.concatenate(reference)
    matched, extra, missed, distances = [], [], [], []
    for detected, expected in zip(find_beats(areas, fps), reference, strict=True):
        event_distances, unmatched = match(detected, expected, REACH_SECONDS * fps)
        matched.append(np.setdiff1d(detected, unmatched))
        extra.append(unmatched[(unmatched >= reference_frames.min()) & (unmatched <= reference_frames.max())])
        missed.append(expected[np.isnan(event_distances)])
        distances.append(event_distances[~np.isnan(event_distances)])
    return Marks(*(np.concatenate(part) for part in (matched, extra, missed, distances)))


def true_beats(case: Case) -> Beats | None:
    """The true ED and ES frames; None where there is none, or no frame rate to match events by."""
    beats = Beats(event_frames(case.sample, "ed"), event_frames(case.sample, "es"))
    return beats if case.sample.info.get("fps") and (len(beats.ed) or len(beats.es)) else None


def area_rows(case: Case) -> dict[str, np.ndarray]:
    """The area in each frame, float64 (T,), of the truth where every frame has a mask, and of the models."""
    frames, areas = true_areas(case.sample)
    rows = {"truth": areas} if np.array_equal(frames, np.arange(len(case.sample.inputs))) else {}
    models = {name: predicted_areas(p) for name, p in case.predictions.items() if name != CONTROL}
    return rows | models


def phase_figure(rows: Mapping[str, np.ndarray], reference: Beats, fps: float) -> bytes:
    """Curves that are large at ED and small at ES, float (T,), each in a row of its own with its events: SVG.

    Dotted: the reference's events. Filled dots: matched ones; rings: extra ones; crosses: missed ones.
    """
    with chart(7.2, _AXIS + _ROW * len(rows), len(rows)) as (figure, axes_of_rows):
        for axes, (name, areas) in zip(np.atleast_1d(axes_of_rows), rows.items(), strict=True):
            _row(axes, name, areas, marks(areas, reference, fps), fps)
            for frame in np.concatenate(reference):
                axes.axvline(frame / fps, color=INK, linewidth=0.8, linestyle=":", zorder=0)
        first, last = np.atleast_1d(axes_of_rows)[[0, -1]]
        for event, frames in zip(("ED", "ES"), reference, strict=True):
            for frame in frames:
                place = (frame / fps, 1.0)
                first.annotate(event, place, xycoords=("data", "axes fraction"), ha="center", va="bottom")
        last.set_xlabel("time (s)")
        return svg(figure)


def _row(axes: Any, name: str, areas: np.ndarray, events: Marks, fps: float) -> None:
    colour = line_colour(name)
    axes.plot(np.arange(len(areas)) / fps, areas, color=colour, linewidth=1.6)
    for frames, marker, style in (
        (events.matched, "o", {"color": colour}),
        (events.extra, "o", {"color": colour, "markerfacecolor": "none"}),
        (events.missed, "x", {"color": INK, "markeredgewidth": 2}),
    ):
        # An empty unclipped line has no place, and the layout of the figure would fail.
        if len(frames):
            axes.plot(frames / fps, areas[frames], marker, markersize=7, clip_on=False, **style)
    axes.set_ylabel(name, rotation=0, ha="right", va="center")
    axes.set_yticks([])
    axes.margins(x=0.01, y=0.2)
    axes.spines["left"].set_visible(False)


def phase_caption(rows: Mapping[str, np.ndarray], reference: Beats, fps: float) -> str:
    """The matched, missed and extra events of each row, in words."""
    counts = "; ".join(f"{name}: {marks(areas, reference, fps).summary(fps)}" for name, areas in rows.items())
    return (
        "ED and ES as they are found in each area curve, without a look at the true ones (dotted). Dots: matched; "
        f"rings: extra; crosses: missed. {counts[:1].upper()}{counts[1:]}."
    )
