"""A run of a published recipe beside what was published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdkit.contracts.vocabulary import Published
from kdkit.evaluation.numbers import format_count, format_score, format_significant
from kdkit.evaluation.outcome import Outcome
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.flatten import flatten
from kdkit.recipe.load import default_tree
from kdkit.runs.folder import STUDENT, TEACHER


@dataclass(frozen=True)
class ResultRow:
    """A model's result by one metric, as text. ``own``: measured in this run."""

    name: str
    weights: str
    metric: str
    score: str
    own: bool


@dataclass(frozen=True)
class PublishedResults:
    """``rows``: this run's and the published ones. ``changes``: (path, the recipe's default, this run's value)."""

    work: str
    rows: Sequence[ResultRow]
    sources: Sequence[str]
    changes: Sequence[tuple[str, str, str]]
    deviations: Sequence[str]


def published_results(experiment: Experiment, outcome: Outcome) -> PublishedResults | None:
    """None for a domain that reproduces nothing, or a run that was not measured by a published metric."""
    domain = experiment.domain
    names = {title: metric.origin.name for title, metric in experiment.metrics.items()}
    published = [point for point in domain.published if point.metric in names.values()]
    if not domain.reproduces or not published:
        return None
    titles = [title for title, name in names.items() if name in {point.metric for point in published}]
    rows = [
        ResultRow(f"{model}, this run", _weights(outcome, model), title, format_score(score).line, own=True)
        for title in titles
        for model in (TEACHER, STUDENT)
        if (score := outcome.scores.get(model, {}).get(title)) is not None and score.value is not None
    ]
    rows += [_published_row(point) for point in published]
    return PublishedResults(
        work=domain.reproduces,
        rows=rows,
        sources=list(dict.fromkeys(point.source for point in published)),
        changes=_changes(experiment),
        deviations=list(domain.deviations),
    )


def _published_row(point: Published) -> ResultRow:
    score = format_significant(point.score, 3)
    return ResultRow(point.name, format_count(point.weights), point.metric, score, own=False)


def _weights(outcome: Outcome, model: str) -> str:
    weights = outcome.facts.get(model, {}).get("weights")
    return format_count(weights) if weights else ""


def _changes(experiment: Experiment) -> list[tuple[str, str, str]]:
    """Where this run's recipe is not the domain's default; paths of the user's own files do not count."""
    default = flatten(default_tree(type(experiment.domain), experiment.recipe.domain))
    used = flatten(_plain(experiment.resolved_tree()))
    changes = []
    for path, value in default.items():
        if path in used and not value.startswith('"$') and _normal(used[path]) != _normal(value):
            changes.append((path, value, used[path]))
    return changes


def _plain(tree: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON would give it back: tuples become lists."""
    plain: dict[str, Any] = json.loads(json.dumps(tree))
    return plain


def _normal(text: str) -> Any:
    """32 and 32.0 are no change."""
    value = json.loads(text)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
