"""The samples on which a model does worst, with the domain's pictures of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.vocabulary import Case, Figure
from kdkit.evaluation.grouped_metrics import ALL
from kdkit.evaluation.prediction_cache import PredictionCache
from kdkit.evaluation.scoring import ScoringResult
from kdkit.plugins.calls import call
from kdkit.progress import Bar

WORST = 8


@dataclass(frozen=True)
class WorstCase:
    """One of the worst samples with the pictures that the domain drew of it."""

    title: str
    figures: Sequence[Figure]


def worst_rows(result: ScoringResult, model: str, metric: str, higher_is_better: bool | None) -> list[dict[str, Any]]:
    """The rows of this model's worst samples by this metric, the worst first."""
    rows = [
        row
        for row in result.rows
        if row["model"] == model and row.get("group", ALL) == ALL and row[metric] is not None
    ]
    badness = {True: lambda value: -value, False: lambda value: value, None: abs}[higher_is_better]
    return sorted(rows, key=lambda row: badness(row[metric]), reverse=True)[:WORST]


def draw_worst(
    cache: PredictionCache,
    domain: Domain,
    source: Generator,
    rows: Sequence[Mapping[str, Any]],
    metric: str,
    bar: Bar,
) -> Iterator[WorstCase]:
    """The domain's pictures of these samples, which are read anew: those of all are too large to be kept."""
    for row in rows:
        (sample,) = call(source.generate, [row["index"]])
        case = Case("worst", row[metric], sample, cache.read(sample) or {})
        yield WorstCase(f"{row['sample']}: {metric} {row[metric]:.3f}", list(call(domain.figures, [case])))
        bar.advance()
