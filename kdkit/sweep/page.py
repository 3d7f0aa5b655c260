"""The page of a sweep: its points as charts and as a table, in one file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from kdkit.contracts.metric import Metric, Score
from kdkit.files import write_text
from kdkit.report.numbers import NOTHING, Written, compact, significant, with_unit, written
from kdkit.report.summary import DIRECTIONS
from kdkit.report.template import render
from kdkit.sweep import charts
from kdkit.sweep.curve import Curve, fit_curve
from kdkit.sweep.front import pareto_front
from kdkit.sweep.grid import short_names
from kdkit.sweep.plan import POINTS, Sweep
from kdkit.sweep.results import Result, ranking_metric

PAGE, TEMPLATE = "sweep.html", "sweep.html"


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
    score: Written
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


def write_page(folder: Path, sweep: Sweep, results: Sequence[Result], jobs: int) -> Path:
    """``sweep.html`` in the sweep's folder."""
    write_text(folder / PAGE, page(sweep, results, jobs))
    return folder / PAGE


def page(sweep: Sweep, results: Sequence[Result], jobs: int) -> str:
    """The page as HTML. ``jobs``: how many processes ran at once, which the speeds were measured beside."""
    domain = sweep.points[0].experiment.domain
    costs = [cost for cost in _costs(domain.item) if any(result.facts[cost.key] for result in results)]
    name = ranking_metric(results)
    metric = sweep.points[0].experiment.metrics.get(name) if name else None
    measured = {
        number: (result, score)
        for number, result in enumerate(results, 1)
        if name and (score := result.scores.get(name)) and score.value is not None
    }
    fronts: dict[int, set[str]] = {}
    drawn: list[Markup] = []
    curve: Curve | str = "nothing could be measured"
    published = [point for point in domain.published if point.metric == name]
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
        direction=DIRECTIONS[metric.higher_is_better][1] if metric else "",
        curve=curve if isinstance(curve, Curve) else None,
        no_curve=curve if isinstance(curve, str) else "",
        charts=drawn,
        costs=[cost.name for cost in costs],
        names=short_names(sweep.axes),
        rows=[
            _row(number, sweep, result, name, costs, fronts.get(number, ()))
            for number, result in enumerate(results, 1)
        ],
        best=_best(measured, metric) if metric else [],
        published=published,
        sources=list(dict.fromkeys(point.source for point in published)),
        compact=compact,
        significant=significant,
        jobs=jobs,
    )


def _costs(item: str) -> list[Cost]:
    return [
        Cost("weights", "weights", lambda value: compact(round(value))),
        Cost("items_per_second", f"{item}s a second", lambda value: significant(value, 2), higher_is_better=True),
        Cost("peak_memory_bytes", "memory (MB)", lambda value: significant(value, 3), unit=1e6),
    ]


def _curve(measured: Iterable[tuple[Result, Score]], metric: Metric) -> Curve | str:
    known = [(r.facts["weights"], s.value) for r, s in measured if r.facts["weights"] and s.value is not None]
    weights, scores = [float(size or 0) for size, _ in known], [value for _, value in known]
    return fit_curve(weights, scores, metric.higher_is_better, metric.unit)


def _goodness(scores: Sequence[Score], metric: Metric) -> list[float]:
    """Values of which a higher one is always better."""
    turned = {True: lambda value: value, False: lambda value: -value, None: lambda value: -abs(value)}
    return [turned[metric.higher_is_better](score.value) for score in scores]


def _best(measured: Mapping[int, tuple[Result, Score]], metric: Metric) -> list[Named]:
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


def _named(number: int, result: Result, score: Score, metric: Metric) -> Named:
    weights = result.facts["weights"]
    text = with_unit(written(score).line, metric.unit)
    return Named(number, result.point.label, text, compact(round(weights)) if weights else NOTHING)


def _row(
    number: int, sweep: Sweep, result: Result, metric: str | None, costs: Sequence[Cost], fronts: Collection[str]
) -> Row:
    score = result.scores.get(metric) if metric else None
    known = [(cost, result.facts[cost.key]) for cost in costs]
    return Row(
        number,
        [result.point.values[path].strip("\"'") for path in short_names(sweep.axes)],
        written(score) if score else Written(NOTHING, NOTHING, NOTHING),
        [Fact(cost.write(value / cost.unit) if value else NOTHING, cost.key in fronts) for cost, value in known],
        f"{POINTS}/{result.point.folder_name}/report.html",
        result.failure,
        not result.scores and not result.failure,
    )
