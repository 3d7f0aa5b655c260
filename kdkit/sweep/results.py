"""What the points of a sweep have measured, read back from their runs, and the table of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdkit.atomic import read_json, write_csv, write_text
from kdkit.contracts.metric import Score
from kdkit.evaluation.estimate import SeedScore
from kdkit.evaluation.outcome import read_score
from kdkit.pages.sweep import SweepPoint, SweepSummary, page
from kdkit.runs.folder import STUDENT
from kdkit.sweep.grid import short_names, strip_quotes
from kdkit.sweep.plan import POINTS, Point, Sweep, run_folder

TABLE, PAGE = "sweep.csv", "sweep.html"
FACTS = ("weights", "bytes", "items_per_second", "peak_memory_bytes")


@dataclass(frozen=True)
class Result:
    """A point with what its student scored; ``failure`` says what went wrong, "" when nothing did.

    Without scores and without a failure it has yet to run.
    ``facts``: of :data:`FACTS` what is known, else None.
    """

    point: Point
    failure: str
    scores: Mapping[str, Score]
    facts: Mapping[str, float | None]


def read_result(folder: Path, point: Point, failure: str | None) -> Result:
    """What lies in the point's run; nothing where it failed, or where ``failure`` is None: then it has yet to run."""
    run = run_folder(folder, point)
    scores = {} if failure != "" else (read_json(run.scores_file) or {}).get(STUDENT, {})
    facts = {} if failure != "" else (read_json(run.models_file) or {}).get(STUDENT, {})
    return Result(
        point,
        failure or "",
        {name: read_score(score) for name, score in scores.items()},
        {key: facts.get(key) for key in FACTS},
    )


def write_table(folder: Path, sweep: Sweep, results: Sequence[Result]) -> Path:
    """One row a point: grid values, each metric with its 95 % interval, size and speed, its run, what went wrong.

    With several training seeds each metric also has their standard deviation.
    """
    names = list(dict.fromkeys(name for result in results for name in result.scores))
    fact_names = [key for key in FACTS if any(result.facts[key] is not None for result in results)]
    rows = []
    for result in results:
        row: dict[str, Any] = dict(result.point.values)
        for name in names:
            score = result.scores.get(name)
            row[name] = score.value if score else None
            row[f"{name}_low"] = score.ci_low if score else None
            row[f"{name}_high"] = score.ci_high if score else None
            if sweep.points[0].experiment.recipe.training.seeds > 1:
                row[f"{name}_spread"] = score.spread if isinstance(score, SeedScore) else None
        row |= {key: result.facts[key] for key in fact_names}
        rows.append(row | {"run": f"{POINTS}/{result.point.folder_name}", "failure": result.failure})
    write_csv(folder / TABLE, rows)
    return folder / TABLE


def ranking_metric(results: Iterable[Result]) -> str | None:
    """The first metric of the recipe that any point could be measured with."""
    for result in results:
        for name, score in result.scores.items():
            if score.value is not None:
                return name
    return None


def summarize(sweep: Sweep, results: Sequence[Result], jobs: int) -> SweepSummary:
    """What the page shows of a sweep whose runs were ``jobs`` at once."""
    first = sweep.points[0].experiment
    name, names = ranking_metric(results), short_names(sweep.axes)
    points = [
        SweepPoint(
            result.point.label,
            [strip_quotes(result.point.values[path]) for path in names],
            result.failure,
            result.scores,
            result.facts,
            f"{POINTS}/{result.point.folder_name}/report.html",
        )
        for result in results
    ]
    return SweepSummary(
        domain=sweep.domain,
        item=first.domain.item,
        axes={axis.path: axis.values for axis in sweep.axes},
        columns=list(names.values()),
        points=points,
        metric_name=name,
        metric=first.metrics.get(name) if name else None,
        published=first.domain.published,
        jobs=jobs,
        seeds=first.recipe.training.seeds,
    )


def write_page(folder: Path, sweep: Sweep, results: Sequence[Result], jobs: int) -> Path:
    """``sweep.html`` in the sweep's folder."""
    write_text(folder / PAGE, page(summarize(sweep, results, jobs)))
    return folder / PAGE
