"""The charts of a sweep's page. Matplotlib is imported when one is drawn, never before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from kdkit.contracts.vocabulary import Published
from kdkit.evaluation.curve import Curve
from kdkit.evaluation.numbers import format_count, format_significant
from kdkit.pages.svg import COLOURS, canvas, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kdkit.contracts.metric import Score

WIDTH, HEIGHT = 5.0, 3.4
# Ratios whose distances to 1 differ by more than this factor are spaced by the logarithm of it.
WIDE = 2.5
_TICKS = (0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)


def weights_chart(
    weights: Sequence[float],
    scores: Sequence[Score],
    numbers: Sequence[int],
    label: str,
    curve: Curve | None,
    published: Sequence[Published],
) -> Markup:
    """Score against weights: each point with its number and interval, the curve with its own, published points."""
    with canvas(WIDTH, HEIGHT) as (figure, axes):
        if curve:
            axes.fill_between(curve.weights, curve.low, curve.high, alpha=0.2, color=COLOURS["student"], lw=0)
            axes.plot(curve.weights, curve.score, color=COLOURS["student"], lw=1.6, label="fitted curve")
        if published:
            axes.plot(
                [point.weights for point in published],
                [point.score for point in published],
                "s",
                mfc="none",
                mec=COLOURS["teacher"],
                ms=5,
                label="published",
            )
        _points(weights, scores, numbers, axes)
        axes.set_xscale("log")
        _sizes(axes)
        _towards_perfection([*_values(scores), *(point.score for point in published)], scores[0], axes)
        _labelled("weights", label, axes)
        figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=COLOURS["ink"], fontsize=9)
        return inline(figure, "weights", f"{label} against the number of weights")


def front_chart(
    name: str,
    what: str,
    values: Sequence[float],
    scores: Sequence[Score],
    numbers: Sequence[int],
    label: str,
    front: Sequence[int],
) -> Markup:
    """Score against ``what``; the points at the positions ``front`` are joined by a line."""
    with canvas(WIDTH, HEIGHT) as (figure, axes):
        axes.plot(
            [values[i] for i in front],
            [scores[i].value or 0.0 for i in front],
            color=COLOURS["soft"],
            lw=1.2,
            ls=(0, (3, 2)),
            label="Pareto front",
        )
        _points(values, scores, numbers, axes)
        axes.set_xscale("log")
        _sizes(axes)
        _towards_perfection(_values(scores), scores[0], axes)
        _labelled(what, label, axes)
        figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=COLOURS["ink"], fontsize=9)
        return inline(figure, name, f"{label} against {what}")


def _points(values: Sequence[float], scores: Sequence[Score], numbers: Sequence[int], axes: Axes) -> None:
    found = np.array([score.value for score in scores], np.float64)
    low = np.array([score.value if score.ci_low is None else score.ci_low for score in scores], np.float64)
    high = np.array([score.value if score.ci_high is None else score.ci_high for score in scores], np.float64)
    axes.vlines(values, low, high, color=COLOURS["student"], lw=1, alpha=0.6)
    axes.plot(values, found, "o", color=COLOURS["student"], ms=5, label="this sweep, 95 % interval")
    for x, y, number in zip(values, found, numbers, strict=True):
        axes.annotate(
            str(number),
            (x, y),
            textcoords="offset points",
            xytext=(4, 3),
            fontsize=8,
            color=COLOURS["soft"],
        )


def _sizes(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: format_count(round(value)) if value >= 1 else format_significant(value, 1))
    )


def _values(scores: Sequence[Score]) -> list[float]:
    return [score.value for score in scores if score.value is not None]


def _towards_perfection(values: Sequence[float], score: Score, axes: Axes) -> None:
    """Space ratios by what they lack to 1, logarithmically, where that differs much: 0.90 and 0.92 then do, too."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    lacking = [1 - value for value in values]
    if score.unit or not score.higher_is_better or min(lacking) <= 0 or max(lacking) < WIDE * min(lacking):
        return
    axes.set_yscale("function", functions=(_from_score, lambda y: 1 - np.exp(-y)))
    low, high = 1 - 1.3 * max(lacking), 1 - min(lacking) / 1.3
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low <= tick <= high]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _from_score(score: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(1 - np.asarray(score, np.float64), 1e-9))


def _labelled(x: str, y: str, axes: Axes) -> None:
    axes.set_xlabel(x, color=COLOURS["soft"], parse_math=False)
    axes.set_ylabel(y, color=COLOURS["soft"], parse_math=False)
    axes.grid(color=COLOURS["line"], lw=0.6)
    axes.set_axisbelow(True)
