"""The area of the left ventricle over time, as a figure."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from kdkit import Case, Sample

from .drawing import colour_of
from .events import predicted_areas, rate_of, true_areas
from .metrics.truth import event_frames

# Stands for the page's ink by day or by night, which the file chooses where it is shown.
_INK = "#808080"
_PAPER = """<style type="text/css">
   svg {background: #fff; color: #57606b}
   @media (prefers-color-scheme: dark) {svg {background: #1b2129; color: #b4bdc9}}
  </style>"""
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kdkit",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
CONTROL = "control"
_DASHES = {"truth": "-", "teacher": (0, (5, 2)), "student": "-", CONTROL: (0, (1, 2))}


def area_figure(case: Case) -> bytes:
    """The area curves of the truth and of every model, with the true ED and ES frames: SVG, white, or dark at night.

    The unit is square centimetres where the sample's ``spacing_mm`` is known, else pixels; time is in seconds where
    its ``fps`` is known, else frames.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    sample = case.sample
    area_unit, area_scale = _area_unit(sample.info.get("spacing_mm"))
    timed = bool(sample.info.get("fps"))
    time_scale = 1.0 / rate_of(sample) if timed else 1.0
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        axes = figure.add_subplot()
        frames, areas = true_areas(sample)
        if len(areas):
            _draw(axes, "truth", frames * time_scale, areas * area_scale, dense=len(areas) == len(sample.inputs))
        for name, prediction in case.predictions.items():
            curve = predicted_areas(prediction) * area_scale
            _draw(axes, name, np.arange(len(curve)) * time_scale, curve, dense=True)
        axes.set_ylim(0, _top(axes))
        _mark_events(axes, sample, time_scale)
        axes.set_xlabel("time (s)" if timed else "frame")
        axes.set_ylabel(f"LV area ({area_unit})")
        axes.margins(x=0.01)
        if axes.get_lines():
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        target = io.BytesIO()
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = target.getvalue().decode().replace(_INK, "currentColor")
    return drawn.replace("<style", f"{_PAPER}\n  <style", 1).encode()


def _area_unit(spacing_mm: object) -> tuple[str, float]:
    if isinstance(spacing_mm, int | float) and spacing_mm > 0:
        return "cm²", (spacing_mm / 10.0) ** 2
    return "pixels", 1.0


def _top(axes: Any) -> float:
    """The upper end of the axis: a control that answers noise would press the other curves flat."""
    lines = [line for line in axes.get_lines() if line.get_label() != CONTROL] or axes.get_lines()
    return 1.15 * max((float(line.get_ydata().max()) for line in lines), default=0.0) or 1.0


def _draw(axes: Any, name: str, x: np.ndarray, y: np.ndarray, dense: bool) -> None:
    colour = "#{:02x}{:02x}{:02x}".format(*colour_of(name))
    style: dict[str, Any] = {"linestyle": _DASHES.get(name, "-")} if dense else {"linestyle": "", "marker": "o"}
    axes.plot(x, y, color=colour, label=name, linewidth=3.0 if name == "truth" else 1.6, **style)


def _mark_events(axes: Any, sample: Sample, time_scale: float) -> None:
    for event in ("ed", "es"):
        for frame in event_frames(sample, event):
            axes.axvline(frame * time_scale, color=_INK, linewidth=0.8, linestyle=":")
            axes.annotate(
                event.upper(), (frame * time_scale, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom"
            )
