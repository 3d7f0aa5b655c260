"""The summary table: every metric, then size and speed, for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdkit.contracts.metric import Metric, Score
from kdkit.evaluation.estimate import SeedScore
from kdkit.evaluation.numbers import (
    NOTHING,
    FormattedScore,
    common_format,
    format_count,
    format_score,
    format_significant,
)
from kdkit.evaluation.outcome import Outcome
from kdkit.runs.folder import STUDENT, TEACHER

_DIRECTIONS = {True: ("↑", "higher is better"), False: ("↓", "lower is better"), None: ("→0", "zero is best")}
_NO_DIRECTION = ("", "no value is the best")


@dataclass(frozen=True)
class Mark:
    """Where a score and its interval lie on its row's own scale, each 0..100."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class ScoreCell:
    """A model's score on one metric; ``seeds``: where it is a mean over training seeds, what each scored."""

    model: str
    score: Score
    text: FormattedScore
    mark: Mark | None
    seeds: tuple[str, ...]


@dataclass(frozen=True)
class ScoreRow:
    """A metric over all models."""

    metric: str
    meaning: str
    unit: str
    arrow: str
    direction: str
    cells: list[ScoreCell]


@dataclass(frozen=True)
class FactCell:
    """A model's size or speed; ``note`` compares the student with its teacher."""

    model: str
    value: float | None
    text: str
    note: str


@dataclass(frozen=True)
class FactRow:
    """A size or speed over all models."""

    name: str
    unit: str
    cells: list[FactCell]


def score_rows(outcome: Outcome, metrics: Mapping[str, Metric]) -> list[ScoreRow]:
    """A row for each metric, in the recipe's order."""
    rows = []
    for name, metric in metrics.items():
        scores = {model: by_name[name] for model, by_name in outcome.scores.items()}
        marks = _marks(list(scores.values()))
        cells = [
            ScoreCell(model, score, format_score(score), mark, format_seeds(score))
            for (model, score), mark in zip(scores.items(), marks, strict=True)
        ]
        arrow, direction = direction_of(metric)
        rows.append(ScoreRow(name, _meaning(metric), metric.unit, arrow, direction, cells))
    return rows


def direction_of(metric: Metric | type[Metric]) -> tuple[str, str]:
    """Where a metric's best values lie, as a sign and in words."""
    is_known = metric.higher_is_better is not None or metric.zero_is_best
    return _DIRECTIONS[metric.higher_is_better] if is_known else _NO_DIRECTION


def fact_rows(outcome: Outcome, item: str) -> list[FactRow]:
    """Weights, size on disk and speed in ``item`` per second."""
    facts = {model: outcome.facts.get(model, {}) for model in outcome.scores}
    return [
        FactRow("weights", "", _cells(facts, "weights", format_count, "fewer", "more", smaller=True)),
        FactRow("size on disk", "MB", _cells(facts, "bytes", _megabytes, "smaller", "larger", smaller=True)),
        FactRow(
            "speed", f"{item}s/s", _cells(facts, "items_per_second", _two_digits, "faster", "slower", smaller=False)
        ),
    ]


def format_seeds(score: Score) -> tuple[str, ...]:
    """Each seed's score, and their standard deviation; nothing for a single seed."""
    if not isinstance(score, SeedScore) or score.spread is None:
        return ()
    write = common_format(score.seeds)
    values = ", ".join(NOTHING if value is None else write(value) for value in score.seeds)
    return f"seeds {values}", f"sd {format_significant(score.spread, 2)}"


def _cells(
    facts: Mapping[str, Mapping[str, Any]], key: str, write: Any, gain: str, loss: str, smaller: bool
) -> list[FactCell]:
    teacher = facts.get(TEACHER, {}).get(key)
    cells = []
    for model, known in facts.items():
        value = known.get(key)
        note = ""
        if model == STUDENT and value and teacher:
            factor = teacher / value if smaller else value / teacher
            times = format_significant(max(factor, 1 / factor), 2)
            note = "" if times == "1.0" else f"{times}× {gain if factor > 1 else loss}"
        cells.append(FactCell(model, value, write(value), note))
    return cells


def _megabytes(count: int | None) -> str:
    return format_significant(count / 1e6, 2) if count is not None else NOTHING


def _two_digits(value: float | None) -> str:
    return format_significant(value, 2)


def _meaning(metric: Metric) -> str:
    """The first line of the metric's docstring, which its author wrote for readers like this one."""
    return (type(metric).__doc__ or "").strip().partition("\n")[0].replace("``", "")


def _marks(scores: Sequence[Score]) -> list[Mark | None]:
    spans = [_ends(score) for score in scores]
    known = [number for span in spans if span for number in span]
    if not known:
        return [None for _ in scores]
    start, width = min(known), max(known) - min(known)
    if width == 0:
        start, width = start - 0.5, 1.0
    return [Mark(*(round(100 * (x - start) / width, 1) for x in span)) if span else None for span in spans]


def _ends(score: Score) -> tuple[float, float, float] | None:
    if score.value is None:
        return None
    low = score.value if score.ci_low is None else score.ci_low
    high = score.value if score.ci_high is None else score.ci_high
    return low, score.value, high
