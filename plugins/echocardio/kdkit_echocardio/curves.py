"""The area of the left ventricle over time, as a figure."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdkit import Case, Sample

from .events import area_unit, predicted_areas, rate_of, true_areas
from .metrics.truth import event_frames
from .paper import INK, chart, line_colour, svg

CONTROL = "control"
_DASHES = {"truth": "-", "teacher": (0, (5, 2)), "student": "-", CONTROL: (0, (1, 2))}


def area_figure(case: Case) -> bytes:
    """The area curves of the truth and of every model, with the true ED and ES frames: SVG, light or dark.

    The unit is square centimetres where the sample's ``spacing_mm`` is known, else pixels; time is in seconds where
    its ``fps`` is known, else frames.
    """
    sample = case.sample
    unit, area_scale = area_unit(sample.info.get("spacing_mm"))
    timed = bool(sample.info.get("fps"))
    time_scale = 1.0 / rate_of(sample) if timed else 1.0
    with chart(7.2, 2.8) as (figure, axes):
        frames, areas = true_areas(sample)
        if len(areas):
            _draw(axes, "truth", frames * time_scale, areas * area_scale, dense=len(areas) == len(sample.inputs))
        for name, prediction in case.predictions.items():
            curve = predicted_areas(prediction) * area_scale
            _draw(axes, name, np.arange(len(curve)) * time_scale, curve, dense=True)
        axes.set_ylim(0, _top(axes))
        _mark_events(axes, sample, time_scale)
        axes.set_xlabel("time (s)" if timed else "frame")
        axes.set_ylabel(f"LV area ({unit})")
        axes.margins(x=0.01)
        if axes.get_lines():
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        return svg(figure)


def _top(axes: Any) -> float:
    """The upper end of the axis: a control that predicts noise would flatten the other curves."""
    lines = [line for line in axes.get_lines() if line.get_label() != CONTROL] or axes.get_lines()
    return 1.15 * max((float(line.get_ydata().max()) for line in lines), default=0.0) or 1.0


def _draw(axes: Any, name: str, x: np.ndarray, y: np.ndarray, dense: bool) -> None:
    style: dict[str, Any] = {"linestyle": _DASHES.get(name, "-")} if dense else {"linestyle": "", "marker": "o"}
    axes.plot(x, y, color=line_colour(name), label=name, linewidth=3.0 if name == "truth" else 1.6, **style)


def _mark_events(axes: Any, sample: Sample, time_scale: float) -> None:
    for event in ("ed", "es"):
        for frame in event_frames(sample, event):
            axes.axvline(frame * time_scale, color=INK, linewidth=0.8, linestyle=":")
            axes.annotate(
                event.upper(), (frame * time_scale, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom"
            )
