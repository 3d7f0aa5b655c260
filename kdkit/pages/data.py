"""The scores on a user's data as files: tables, worst cases, and one page with both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdkit.atomic import write_bytes, write_csv, write_json, write_text
from kdkit.contracts.metric import Metric
from kdkit.evaluation.numbers import format_score
from kdkit.evaluation.outcome import Outcome
from kdkit.evaluation.verdict import Verdict, verdict
from kdkit.pages.contact_sheet import contact_sheet
from kdkit.pages.summary import direction_of
from kdkit.pages.template import render
from kdkit.runs.folder import STUDENT, TEACHER

if TYPE_CHECKING:
    from kdkit.evaluation.scoring import ScoringResult
    from kdkit.evaluation.worst import WorstCase

TEMPLATE = "data.html"
SCORES, CASES, PAGE, SHEET = "scores.json", "cases.csv", "report.html", "worst.png"


def write_outcome(
    out: Path,
    facts: Mapping[str, Any],
    measured: ScoringResult,
    metrics: Mapping[str, Metric],
    worst: Sequence[WorstCase],
) -> list[Path]:
    """Write scores, cases, the page and the contact sheet into ``out``; returns the paths written."""
    write_json(out / SCORES, dict(facts) | measured.as_json())
    write_csv(out / CASES, measured.rows)
    sheet = contact_sheet(figure for case in worst for figure in case.figures)
    if sheet:
        write_bytes(out / SHEET, sheet)
    write_text(out / PAGE, _page(facts, measured, metrics, worst))
    return [path for name in (SCORES, CASES, SHEET, PAGE) if (path := out / name).is_file()]


def _page(
    facts: Mapping[str, Any], measured: ScoringResult, metrics: Mapping[str, Metric], worst: Sequence[WorstCase]
) -> str:
    def names_of(group: str) -> list[str]:
        return [name for name in metrics if any(by[group][name].n for by in measured.scores.values())]

    groups = [group for group in next(iter(measured.scores.values())) if names_of(group)]
    return render(
        TEMPLATE,
        facts=facts,
        measured=measured,
        verdict=_verdict(measured, names_of(groups[0])[0]),
        groups=groups,
        names_of=names_of,
        metrics=metrics,
        direction_of=direction_of,
        format_score=format_score,
        worst=worst,
    )


def _verdict(measured: ScoringResult, metric: str) -> Verdict | None:
    """The student beside its teacher by the metric that comes first; None where either was not measured by it."""
    every = {model: next(iter(by_group.values())) for model, by_group in measured.scores.items()}
    if not all(model in every and every[model][metric].n for model in (STUDENT, TEACHER)):
        return None
    return verdict(Outcome(metric, every, {}, {}, [], measured.differences, measured.doubts))
