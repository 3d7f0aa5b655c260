"""Where a model's border lies beside the traced one: each wall with its mean error and spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kdkit import Case, Figure

from .curves import CONTROL
from .geometry import WALLS, binarize, border_errors
from .metrics.truth import traced_events
from .paper import INK, chart, svg

_PHASES = {"ed": "end-diastole", "es": "end-systole"}
_WIDTH, _HEIGHT = 6.4, 3.6
# At this error and beyond it, in millimetres or pixels, a wall has its full colour.
_FULL = 4.0
_OUTWARD, _INWARD, _EVEN = np.array([0.80, 0.30, 0.10]), np.array([0.10, 0.42, 0.75]), np.array([0.62, 0.64, 0.66])
_STEPS = 12
# A bullet: its half width, and how far down its flanks begin to be straight, of a height of 1.
_HALF_WIDTH, _SHOULDER = 0.30, 0.45


class WallMap:
    """One drawing for each model but the control: mean signed distance ± standard deviation over clips, by wall."""

    def __init__(self) -> None:
        self._errors: dict[str, dict[str, list[np.ndarray]]] = {}
        self._pixels: list[float | None] = []

    def add(self, case: Case) -> None:
        """Take a clip into account, if it has true masks at ED or ES; those of several people are averaged."""
        self._pixels.append(case.sample.info.get("spacing_mm"))
        for model, prediction in case.predictions.items():
            if model == CONTROL:
                continue
            by_phase = self._errors.setdefault(model, {phase: [] for phase in _PHASES})
            for phase, errors in by_phase.items():
                traced = traced_events(case.sample, prediction, (phase,))
                frames = [border_errors(binarize(prediction[frame]), mask) for frame, mask in traced]
                # A row for every clip, so that it can be set beside the clip's pixel size.
                errors.append(_mean(np.array(frames)) if frames else np.full(len(WALLS), np.nan))

    def figures(self) -> Iterator[Figure]:
        """Nothing for a model without any clip that has true masks."""
        sizes = np.array([np.nan if size is None else size for size in self._pixels], np.float64)
        for model, by_phase in self._errors.items():
            arrays = {phase: np.array(errors) for phase, errors in by_phase.items()}
            counts = [int(np.isfinite(errors).any(1).sum()) for errors in arrays.values()]
            if not any(counts):
                continue
            measured = np.any([np.isfinite(errors).any(1) for errors in arrays.values()], axis=0)
            in_mm = bool(np.isfinite(sizes[measured]).all())
            if in_mm:
                arrays = {phase: errors * sizes[:, None] for phase, errors in arrays.items()}
            yield _figure(model, arrays, "mm" if in_mm else "pixels", max(counts))


def _mean(errors: np.ndarray) -> np.ndarray:
    """The mean of each column, NaN where it has no number."""
    known = np.isfinite(errors)
    total = np.where(known, errors, 0.0).sum(0)
    return np.asarray(np.divide(total, known.sum(0), out=np.full(errors.shape[1], np.nan), where=known.any(0)))


def _figure(model: str, errors: dict[str, np.ndarray], unit: str, count: int) -> Figure:
    with chart(_WIDTH, _HEIGHT, columns=len(_PHASES)) as (figure, axes):
        for panel, (phase, name) in zip(axes, _PHASES.items(), strict=True):
            _draw(panel, errors[phase])
            panel.set_title(name, fontsize=10, color=INK, pad=10)
        data = svg(figure)
    caption = (
        f"The {model}'s border beside the traced one in {unit}, by wall: mean ± standard deviation over {count} "
        "clips. Positive and red: the prediction reaches too far out; negative and blue: it stays inside. The apex "
        "is above, the septum to the left."
    )
    return Figure(f"Border errors by wall, {model}", caption, "image/svg+xml", data)


def _draw(axes: Any, errors: np.ndarray) -> None:
    means = _mean(errors)
    for wall, (outline, mean) in enumerate(zip(_outlines(), means, strict=True)):
        x, y = outline.T
        axes.plot(x, y, color=_colour(mean), linewidth=7, solid_capstyle="butt")
        place = outline[len(outline) // 2]
        known = errors[:, wall][np.isfinite(errors[:, wall])]
        text = "–" if not len(known) else f"{round(mean, 1) + 0.0:+.1f}".replace("-", "\u2212")
        if len(known) > 1:
            text += f" ± {known.std(ddof=1):.1f}"
        axes.annotate(text, place, _label_offset(wall), textcoords="offset points", ha=_side(wall), va="center")
    axes.set_xlim(-1.0, 1.0)
    axes.set_ylim(-0.18, 1.15)
    axes.set_aspect("equal")
    axes.axis("off")


def _outlines() -> list[np.ndarray]:
    """The line of each wall as x and y, (N, 2), the apex at (0, 1) and the mitral plane at y = 0."""
    heights = np.linspace(0, 1, 3 * _STEPS + 1)
    rise = np.clip((heights - _SHOULDER) / (1 - _SHOULDER), 0, 1)
    widths = _HALF_WIDTH * np.sqrt(1 - rise**2)
    flank = np.stack([widths, heights], axis=1)
    thirds = [flank[_STEPS * part : _STEPS * (part + 1) + 1] for part in range(3)]
    tip = 2 * _STEPS + 2 * _STEPS // 3
    cap = np.concatenate([flank[tip:] * [-1, 1], flank[tip:][::-1]])
    thirds[2] = flank[2 * _STEPS : tip + 1]
    septal = [part * [-1, 1] for part in thirds]
    plane = np.stack([np.linspace(-_HALF_WIDTH, _HALF_WIDTH, _STEPS), np.zeros(_STEPS)], axis=1)
    return [*septal, cap, *reversed(thirds), plane]


def _label_offset(wall: int) -> tuple[float, float]:
    name = WALLS[wall]
    if name == "apex":
        return 0, 14
    if name == "mitral":
        return 0, -14
    return (-10, 0) if name.startswith("septal") else (10, 0)


def _side(wall: int) -> str:
    name = WALLS[wall]
    if name in ("apex", "mitral"):
        return "center"
    return "right" if name.startswith("septal") else "left"


def _colour(mean: float) -> str:
    if not np.isfinite(mean):
        return INK
    strength = min(abs(mean) / _FULL, 1.0)
    red, green, blue = (1 - strength) * _EVEN + strength * (_OUTWARD if mean > 0 else _INWARD)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
