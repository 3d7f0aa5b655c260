"""A comparison as one page that needs no other file."""

from __future__ import annotations

from typing import get_args

from kdkit.evaluation.comparison import Comparison
from kdkit.evaluation.judgement import Word
from kdkit.evaluation.numbers import format_count, format_score, format_significant
from kdkit.pages.summary import direction_of, format_seeds
from kdkit.pages.template import render

TEMPLATE = "comparison.html"


def page(comparison: Comparison) -> str:
    """The comparison as HTML."""
    return render(
        TEMPLATE,
        comparison=comparison,
        verdicts={name: _verdicts(comparison, name) for name in comparison.names[1:]},
        format_score=format_score,
        format_seeds=format_seeds,
        direction_of=direction_of,
        format_count=format_count,
        format_significant=format_significant,
    )


def _verdicts(comparison: Comparison, name: str) -> dict[str, list[str]]:
    """The metrics of each verdict on a run."""
    verdicts: dict[str, list[str]] = {word: [] for word in get_args(Word)}
    for metric, by_run in comparison.differences.items():
        verdicts[by_run[name].verdict].append(metric)
    return verdicts
