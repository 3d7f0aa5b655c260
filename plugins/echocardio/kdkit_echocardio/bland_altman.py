"""Predicted against true ejection fractions of all clips: for each model a scatter and a Bland-Altman plot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from kdkit import Case, Figure

from .curves import CONTROL
from .metrics.ejection import DiscsBias, DiscsCorrelation
from .paper import INK, chart, line_colour, svg

FEWEST = 3
# Of normally distributed differences 95 % lie within so many standard deviations.
_WITHIN = 1.96
_WIDTH, _HEIGHT = 4.8, 3.2


class Limits(NamedTuple):
    """The mean difference and the limits of agreement around it, in points of ejection fraction.

    ``bias_reach`` and ``limit_reach``: half the width of the 95 % interval of the bias and of either limit.
    """

    bias: float
    low: float
    high: float
    bias_reach: float
    limit_reach: float


def limits_of_agreement(predicted: np.ndarray, true: np.ndarray) -> Limits:
    """The mean of predicted - true, float (N,), N >= 2, and that mean -/+ 1.96 standard deviations.

    Bland and Altman, Lancet 1986;327:307-310; the standard deviation s is that of a sample, with N - 1. The limits'
    standard error is s sqrt(1 / N + 1.96² / (2 (N - 1))) (Bland and Altman 1999, Stat Methods Med Res 8:135-160),
    their intervals and the bias's are Student's.
    """
    from scipy.stats import t as student_t

    differences = np.asarray(predicted, np.float64) - np.asarray(true, np.float64)
    n, bias, deviation = len(differences), float(differences.mean()), float(differences.std(ddof=1))
    quantile, reach = float(student_t.ppf(0.975, n - 1)), _WITHIN * deviation
    return Limits(
        bias,
        bias - reach,
        bias + reach,
        quantile * deviation / np.sqrt(n),
        quantile * deviation * np.sqrt(1 / n + _WITHIN**2 / (2 * (n - 1))),
    )


class EjectionAgreement:
    """A scatter and a Bland-Altman plot for each model but the control, with ``ef-discs``'s ejection fractions."""

    def __init__(self) -> None:
        self._estimate = DiscsBias()
        self._pairs: dict[str, list[tuple[float, ...]]] = {}

    def add(self, case: Case) -> None:
        """Take a clip into account, if its ejection fraction is known."""
        for model, prediction in case.predictions.items():
            if model != CONTROL:
                self._pairs.setdefault(model, []).extend(self._estimate.measure(prediction, case.sample))

    def figures(self) -> Iterator[Figure]:
        """Nothing for a model with fewer than three clips."""
        for model, pairs in self._pairs.items():
            if len(pairs) >= FEWEST:
                yield from _figures(model, np.array(pairs, np.float64))


def _figures(model: str, pairs: np.ndarray) -> Iterator[Figure]:
    predicted, true = pairs.T
    r, limits = DiscsCorrelation().summarize(pairs), limits_of_agreement(predicted, true)
    relation = "" if np.isnan(r) else f" Pearson's r is {r:.2f}."
    caption = (
        f"Each point is one of {len(pairs)} clips: the method of discs on the {model}'s masks at the true ED and ES "
        f"frames. On the line both are equal.{relation}"
    )
    yield Figure(f"Ejection fraction, {model}", caption, "image/svg+xml", _scatter(model, predicted, true))
    bias, low, high = map(_signed, limits[:3])
    caption = (
        f"Bland-Altman plot: predicted minus true. The bias is {bias} ± {limits.bias_reach:.1f} points (solid), and "
        f"95 % of the differences are expected from {low} to {high} (dashed; 1.96 standard deviations), each limit "
        f"± {limits.limit_reach:.1f}. After ±: half the 95 % interval."
    )
    plot = _differences(model, predicted, true, limits)
    yield Figure(f"Agreement with the true ejection fraction, {model}", caption, "image/svg+xml", plot)


def _scatter(model: str, predicted: np.ndarray, true: np.ndarray) -> bytes:
    with chart(_WIDTH, _HEIGHT) as (figure, axes):
        axes.plot([0, 100], [0, 100], color=INK, linewidth=1)
        _points(axes, model, true, predicted)
        low, high = min(predicted.min(), true.min()), max(predicted.max(), true.max())
        room = 0.05 * max(high - low, 10)
        axes.set_xlim(low - room, high + room)
        axes.set_ylim(low - room, high + room)
        axes.set_xlabel("true ejection fraction (%)")
        axes.set_ylabel("predicted (%)")
        return svg(figure)


def _differences(model: str, predicted: np.ndarray, true: np.ndarray, limits: Limits) -> bytes:
    with chart(_WIDTH, _HEIGHT) as (figure, axes):
        axes.axhline(0, color=INK, linewidth=0.8, linestyle=":")
        for value, style in zip(limits[:3], ("-", (0, (5, 2)), (0, (5, 2))), strict=True):
            axes.axhline(value, color=INK, linewidth=1.4, linestyle=style)
            axes.annotate(f" {_signed(value)}", (1.0, value), xycoords=("axes fraction", "data"), va="center")
        _points(axes, model, (predicted + true) / 2, predicted - true)
        axes.set_xlabel("mean of predicted and true (%)")
        axes.set_ylabel("predicted − true (points)")
        return svg(figure)


def _points(axes: Any, model: str, x: np.ndarray, y: np.ndarray) -> None:
    axes.plot(x, y, "o", color=line_colour(model), markersize=4, markeredgewidth=0, alpha=0.6, clip_on=False)


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "\u2212")
