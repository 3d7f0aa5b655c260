"""Scores as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from kdkit.contracts.metric import Score

# Where the shorter side of an interval is less than so much of the longer one, half its width says too little.
LEAST_SYMMETRY = 0.4
# Between these, three decimals (or one, from 10 on) show what there is to see.
PLAIN_VALUES = 0.01, 1e5


def scores_table(
    scores: Mapping[str, Mapping[str, Score]],
    facts: Mapping[str, Mapping[str, Any]] | None = None,
    item: str = "",
    sources: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """Metrics down, models across: value and half the width of its 95 % interval; then ``facts``, size and speed.

    ``sources``: for some models, what they were trained on.
    """
    from kdkit.evaluation.numbers import format_count
    from kdkit_cli.console import escape

    table = Table(title_justify="left", padding=(0, 1))
    table.add_column("")
    for model, by_name in scores.items():
        counts = {len(getattr(score, "seeds", ())) for score in by_name.values()}
        seeds = f" ({max(counts)} seeds)" if max(counts, default=0) > 1 else ""
        source = f" ({sources[model]})" if sources.get(model, model) != model else ""
        table.add_column(escape(f"{model}{source}{seeds}"), justify="right")
    for metric, first in next(iter(scores.values())).items():
        cells = (score_text(by_name[metric]) for by_name in scores.values())
        table.add_row(f"{metric} [dim]{first.unit}[/]".rstrip(), *cells)
    if facts is None:
        return table
    table.add_section()
    rows = {
        "weights": lambda m: format_count(m["weights"]) if m["weights"] else "–",
        "size on disk": lambda m: f"{m['bytes'] / 1e6:.1f} MB" if m.get("bytes") else "–",
        f"{item}s a second": lambda m: f"{m['items_per_second']:.0f}" if m["items_per_second"] else "–",
    }
    for label, cell in rows.items():
        table.add_row(label, *(cell(facts[model]) if model in facts else "" for model in scores))
    return table


def score_text(score: Score) -> str:
    """The value and half the width of its interval, or where that is lopsided, its ends; a dash for no value."""
    from kdkit.evaluation.numbers import format_score

    if score.value is None:
        return "–"
    largest = max(abs(number) for number in (score.value, score.ci_low, score.ci_high) if number is not None)
    if largest and not PLAIN_VALUES[0] <= largest < PLAIN_VALUES[1]:
        return format_score(score).line
    digits = 3 if abs(score.value) < 10 else 1
    value = f"{score.value:.{digits}f}"
    if score.ci_low is None or score.ci_high is None:
        return value
    below, above = score.value - score.ci_low, score.ci_high - score.value
    if min(below, above) < LEAST_SYMMETRY * max(below, above):
        return f"{value} ({score.ci_low:.{digits}f} to {score.ci_high:.{digits}f})"
    return f"{value} ±{(below + above) / 2:.{digits}f}"
