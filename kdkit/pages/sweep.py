"""The page of a sweep: its points as charts and as a table, in one file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from kdkit.contracts.metric import Metric, Score
from kdkit.contracts.vocabulary import Published
from kdkit.evaluation.curve import Curve, fit_curve
from kdkit.evaluation.front import pareto_front
from kdkit.evaluation.numbers import (
    NOTHING,
    FormattedScore,
    format_count,
    format_score,
    format_significant,
    with_unit,
)
from kdkit.pages import sweep_charts as charts
from kdkit.pages.summary import direction_of
from kdkit.pages.template import render

TEMPLATE = "sweep.html"


@dataclass(frozen=True)
class SweepPoint:
    """One run of a sweep. ``values``: what tells it from the others; ``report``: where its own report lies.

    Without scores and without a ``failure`` it has yet to run. ``facts``: weights, speed and memory, None if unknown.
    """

    label: str
    values: Sequence[str]
    failure: str
    scores: Mapping[str, Score]
    facts: Mapping[str, float | None]
    report: str


@dataclass(frozen=True)
class SweepSummary:
    """Everything that the page shows.

    ``axes``: path to the values that it takes; ``columns``: the names of a point's values; ``metric``: the one that
    ranks the points, None while nothing is measured; ``jobs``: how many processes ran at once, beside which the
    speeds were measured; ``seeds``: how many students each point trains.
    """

    domain: str
    item: str
    axes: Mapping[str, Sequence[str]]
    columns: Sequence[str]
    points: Sequence[SweepPoint]
    metric_name: str | None
    metric: Metric | None
    published: Sequence[Published]
    jobs: int
    seeds: int


@dataclass(frozen=True)
class Cost:
    """What a better score is paid for with, by its key in the facts; ``unit``: what its values are divided by."""

    key: str
    name: str
    write: Callable[[float], str]
    higher_is_better: bool = False
    unit: float = 1.0


@dataclass(frozen=True)
class Fact:
    """What a point costs; ``front``: whether it is on the Pareto front of the score and this cost."""

    text: str
    front: bool


@dataclass(frozen=True)
class Row:
    """A point in the table. ``pending``: whether it has yet to run."""

    number: int
    values: Sequence[str]
    score: FormattedScore
    facts: Sequence[Fact]
    report: str
    failure: str
    pending: bool


@dataclass(frozen=True)
class Named:
    """A point with its score, as a sentence names it."""

    number: int
    label: str
    score: str
    weights: str


def page(sweep: SweepSummary) -> str:
    """The page as HTML."""
    results, name, metric = sweep.points, sweep.metric_name, sweep.metric
    costs = [cost for cost in _costs(sweep.item) if any(result.facts[cost.key] for result in results)]
    measured = {
        number: (result, score)
        for number, result in enumerate(results, 1)
        if name and (score := result.scores.get(name)) and score.value is not None
    }
    fronts: dict[int, set[str]] = {}
    drawn: list[Markup] = []
    curve: Curve | str = "nothing could be measured"
    published = [point for point in sweep.published if point.metric == name]
    if name and metric and measured:
        label = with_unit(name, metric.unit and f"({metric.unit})")
        curve = _curve(measured.values(), metric)
        for cost in costs:
            known = {number: (r, s) for number, (r, s) in measured.items() if r.facts[cost.key]}
            if not known:
                continue
            numbers, scores = list(known), [score for _, score in known.values()]
            values = [float(result.facts[cost.key] or 0) / cost.unit for result, _ in known.values()]
            front = pareto_front(_goodness(scores, metric), [-v if cost.higher_is_better else v for v in values])
            for i in front:
                fronts.setdefault(numbers[i], set()).add(cost.key)
            if cost.key == "weights":
                fitted = curve if isinstance(curve, Curve) else None
                drawn.append(charts.weights_chart(values, scores, numbers, label, fitted, published))
            else:
                drawn.append(charts.front_chart(cost.key, cost.name, values, scores, numbers, label, front))
    return render(
        TEMPLATE,
        domain=sweep.domain,
        axes=sweep.axes,
        metric=name,
        direction=direction_of(metric)[1] if metric else "",
        curve=curve if isinstance(curve, Curve) else None,
        no_curve=curve if isinstance(curve, str) else "",
        charts=drawn,
        costs=[cost.name for cost in costs],
        columns=sweep.columns,
        rows=[_row(number, result, name, costs, fronts.get(number, ())) for number, result in enumerate(results, 1)],
        best=_best(measured, metric) if metric else [],
        published=published,
        sources=list(dict.fromkeys(point.source for point in published)),
        format_count=format_count,
        format_significant=format_significant,
        jobs=sweep.jobs,
        seeds=sweep.seeds,
    )


def _costs(item: str) -> list[Cost]:
    return [
        Cost("weights", "weights", lambda value: format_count(round(value))),
        Cost(
            "items_per_second", f"{item}s a second", lambda value: format_significant(value, 2), higher_is_better=True
        ),
        Cost("peak_memory_bytes", "memory (MB)", lambda value: format_significant(value, 3), unit=1e6),
    ]


def _curve(measured: Iterable[tuple[SweepPoint, Score]], metric: Metric) -> Curve | str:
    known = [(r.facts["weights"], s.value) for r, s in measured if r.facts["weights"] and s.value is not None]
    weights, scores = [float(size or 0) for size, _ in known], [value for _, value in known]
    return fit_curve(weights, scores, metric.higher_is_better, metric.unit)


def _goodness(scores: Sequence[Score], metric: Metric) -> list[float]:
    """Values of which a higher one is always better."""
    turned = {True: lambda value: value, False: lambda value: -value, None: lambda value: -abs(value)}
    return [turned[metric.higher_is_better](score.value) for score in scores]


def _best(measured: Mapping[int, tuple[SweepPoint, Score]], metric: Metric) -> list[Named]:
    """The best point, and if that is another, the one with the fewest weights whose score lies in its interval."""
    if not measured:
        return []
    numbers, scores = list(measured), [score for _, score in measured.values()]
    goodness = _goodness(scores, metric)
    best = max(range(len(numbers)), key=goodness.__getitem__)
    ends = [end for end in (scores[best].ci_low, scores[best].ci_high) if end is not None]
    least = min(_goodness([replace(scores[best], value=end) for end in ends], metric), default=goodness[best])
    sized = [(size, i) for i, n in enumerate(numbers) if (size := measured[n][0].facts["weights"])]
    _, smallest = min(((size, i) for size, i in sized if goodness[i] >= least), default=(0, best))
    return [_named(numbers[i], *measured[numbers[i]], metric) for i in dict.fromkeys((best, smallest))]


def _named(number: int, result: SweepPoint, score: Score, metric: Metric) -> Named:
    weights = result.facts["weights"]
    text = with_unit(format_score(score).line, metric.unit)
    return Named(number, result.label, text, format_count(round(weights)) if weights else NOTHING)


def _row(number: int, result: SweepPoint, metric: str | None, costs: Sequence[Cost], fronts: Collection[str]) -> Row:
    score = result.scores.get(metric) if metric else None
    known = [(cost, result.facts[cost.key]) for cost in costs]
    return Row(
        number,
        result.values,
        format_score(score) if score else FormattedScore(NOTHING, NOTHING, NOTHING),
        [Fact(cost.write(value / cost.unit) if value else NOTHING, cost.key in fronts) for cost, value in known],
        result.report,
        result.failure,
        not result.scores and not result.failure,
    )
