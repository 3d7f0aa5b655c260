"""The report's own charts. Matplotlib is imported when one is drawn, never before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from kdkit.contracts.metric import Score
from kdkit.evaluation.numbers import format_significant
from kdkit.evaluation.outcome import Epochs
from kdkit.evaluation.retention import Retention
from kdkit.pages.svg import COLOURS, canvas, colour_of, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Wide enough for a column of the page, narrow enough that the letters stay readable on a phone.
WIDTH = 5.0
# Beyond so many samples a model's single points are left out: they would be a blot, and megabytes of it.
MOST_POINTS = 400
# Losses that fall by more than this factor are drawn on a logarithmic axis.
WIDE_RANGE = 10.0
# Objectives share the student's colour, and are told apart by their lines.
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


def training_chart(histories: Mapping[str, Epochs], loss: str) -> Markup:
    """Training and validation loss of each arm; a dot marks the epoch whose weights were kept."""
    from matplotlib.ticker import MaxNLocator

    with canvas(WIDTH, 3.1) as (figure, axes):
        for arm, epochs in histories.items():
            steps = range(1, len(epochs.train) + 1)
            # A line through a single epoch would not be seen.
            style: dict[str, Any] = {
                "color": colour_of(arm),
                "marker": "o" if len(steps) == 1 else "",
            }
            axes.plot(steps, epochs.train, lw=1.2, ls=(0, (3, 2)), label=f"{arm}, training", **style)
            axes.plot(steps, epochs.validation, lw=2, label=f"{arm}, validation", **style)
            axes.plot(epochs.kept + 1, epochs.validation[epochs.kept], "o", color=style["color"], ms=6)
        _scale([x for epochs in histories.values() for x in (*epochs.train, *epochs.validation)], axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch", color=COLOURS["soft"])
        axes.set_ylabel(f"loss ({loss})", color=COLOURS["soft"], parse_math=False)
        axes.grid(axis="y", color=COLOURS["line"], lw=0.6)
        figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=COLOURS["ink"], fontsize=9)
        return inline(figure, "training", "Training and validation loss, epoch by epoch")


def terms_chart(terms: Mapping[str, Sequence[float]], weights: Mapping[str, float]) -> Markup:
    """What each objective adds to the student's validation loss: its value times its weight, epoch by epoch."""
    from matplotlib.ticker import MaxNLocator

    added = {name: [weights[name] * value for value in values] for name, values in terms.items()}
    with canvas(WIDTH, 3.1) as (figure, axes):
        for place, (name, values) in enumerate(added.items()):
            label = name if weights[name] == 1 else f"{weights[name]:g} × {name}"
            steps = range(1, len(values) + 1)
            style: dict[str, Any] = {"color": COLOURS["student"], "marker": "o" if len(steps) == 1 else ""}
            axes.plot(steps, values, lw=2, ls=DASHES[place % len(DASHES)], label=label, **style)
        _scale([x for values in added.values() for x in values], axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch", color=COLOURS["soft"])
        axes.set_ylabel("part of the validation loss", color=COLOURS["soft"])
        axes.grid(axis="y", color=COLOURS["line"], lw=0.6)
        figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=COLOURS["ink"], fontsize=9)
        return inline(figure, "terms", "Each objective's part of the validation loss, epoch by epoch")


def distribution_chart(values: Mapping[str, Sequence[float]], scores: Mapping[str, Score], label: str) -> Markup:
    """Every sample's value for each model: points, a box of the quartiles, and the score with its interval."""
    models = list(values)
    rng = np.random.default_rng(0)
    with canvas(WIDTH, 0.9 + 0.75 * len(models)) as (figure, axes):
        for row, model in enumerate(models):
            colour, numbers = colour_of(model), values[model]
            _box(numbers, row, colour, axes)
            if len(numbers) <= MOST_POINTS:
                heights = row + 0.28 + rng.uniform(-0.08, 0.08, len(numbers))
                axes.plot(numbers, heights, "o", color=colour, ms=3.5, mew=0, alpha=0.55)
            _score(scores[model], row - 0.3, axes)
        axes.set_yticks(range(len(models)), models)
        axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
        axes.set_ylim(len(models) - 0.5, -0.55)
        axes.set_xlabel(label, color=COLOURS["soft"], parse_math=False)
        axes.grid(axis="x", color=COLOURS["line"], lw=0.6)
        axes.spines["left"].set_visible(False)
        axes.set_axisbelow(True)
        return inline(figure, "distribution", f"Distribution of {label} over the evaluation samples, for each model")


def retention_chart(retention: Retention, metric: str) -> Markup:
    """Every model's place between floor and ceiling, as a share of the way, with its interval."""
    models = sorted(retention.shares, key=lambda model: retention.shares[model].value)
    with canvas(WIDTH, 0.8 + 0.32 * len(models)) as (figure, axes):
        for row, model in enumerate(models):
            share, colour = retention.shares[model], colour_of(model)
            if share.low is not None and share.high is not None:
                axes.plot([100 * share.low, 100 * share.high], [row, row], color=colour, lw=1.6)
            axes.plot(100 * share.value, row, "o", color=colour, ms=6)
        for share_of_way in (0, 100):
            axes.axvline(share_of_way, color=COLOURS["line"], lw=1)
        axes.set_yticks(range(len(models)), models)
        axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
        axes.set_ylim(-0.6, len(models) - 0.4)
        axes.set_xlabel("% of the way from floor to ceiling", color=COLOURS["soft"])
        axes.spines["left"].set_visible(False)
        return inline(figure, "retention", f"{metric} of every model, from floor to ceiling")


def _box(numbers: Sequence[float], row: int, colour: str, axes: Axes) -> None:
    line = {"color": colour, "lw": 1.2}
    axes.boxplot(
        numbers,
        orientation="horizontal",
        positions=[row],
        widths=0.22,
        whis=(5, 95),
        showfliers=len(numbers) > MOST_POINTS,
        manage_ticks=False,
        boxprops=line,
        whiskerprops=line,
        capprops=line,
        medianprops=line | {"lw": 2.4},
        flierprops={"marker": "o", "markersize": 2, "markerfacecolor": colour, "markeredgecolor": "none"},
    )


def _score(score: Score, height: float, axes: Axes) -> None:
    if score.value is None:
        return
    if score.ci_low is not None and score.ci_high is not None:
        axes.plot([score.ci_low, score.ci_high], [height, height], color=COLOURS["ink"], lw=1.4)
    axes.plot(score.value, height, "D", color=COLOURS["ink"], ms=5)


def _scale(losses: Sequence[float], axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if min(losses) <= 0 or not max(losses) > WIDE_RANGE * min(losses):
        return
    axes.set_yscale("log")
    few = max(losses) > 1000 * min(losses)
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if few else (1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_significant(value, 1)))
