"""The scores on a user's data, written down: tables, worst cases, and one page with both."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdkit.atomic import write_bytes, write_csv, write_json, write_text
from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric
from kdkit.contracts.vocabulary import Case, Figure
from kdkit.evaluation.numbers import format_score
from kdkit.evaluation.outcome import Outcome
from kdkit.evaluation.verdict import Verdict, verdict
from kdkit.pages.summary import DIRECTIONS
from kdkit.pages.template import render
from kdkit.runs.folder import STUDENT, TEACHER

if TYPE_CHECKING:
    from kdkit.evaluation.grouped_metrics import Scores
    from kdkit.evaluation.scoring import Networks, ScoringResult

TEMPLATE = "data.html"
WORST = 8
_COLUMNS, _GAP = 2, 12
SCORES, CASES, PAGE, SHEET = "scores.json", "cases.csv", "report.html", "worst.png"


@dataclass(frozen=True)
class Shown:
    """One of the worst cases with the pictures that the domain drew of it."""

    title: str
    figures: Sequence[Figure]


def worst_rows(
    measured: ScoringResult, model: str, metric: str, higher_is_better: bool | None
) -> list[dict[str, Any]]:
    """The rows of this model's worst samples by this metric, the worst first."""
    rows = [row for row in measured.rows if row["model"] == model and row[metric] is not None]
    badness = {True: lambda value: -value, False: lambda value: value, None: abs}[higher_is_better]
    return sorted(rows, key=lambda row: badness(row[metric]), reverse=True)[:WORST]


def show_worst(
    networks: Networks, domain: Domain, source: Generator, rows: Sequence[Mapping[str, Any]], metric: str
) -> list[Shown]:
    """The domain's pictures of these samples, which are predicted anew: keeping every prediction takes too much."""
    import torch

    from kdkit.evaluation.scoring import predict_sample

    shown = []
    for row in rows:
        (sample,) = source.generate([row["index"]])
        predictions = predict_sample(_on_cpu(networks), domain, sample, torch.device("cpu"))
        case = Case("worst", row[metric], sample, predictions)
        shown.append(Shown(f"{row['sample']}: {metric} {row[metric]:.3f}", list(domain.figures([case]))))
    return shown


def contact_sheet(figures: Sequence[Figure]) -> bytes | None:
    """The PNG pictures among the figures on one PNG, in rows of two; None when there are none."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(figure.data)) for figure in figures if figure.media_type == "image/png"]
    if not pictures:
        return None
    width, height = (max(picture.size[axis] for picture in pictures) + _GAP for axis in (0, 1))
    columns = min(_COLUMNS, len(pictures))
    page = Image.new("RGB", (columns * width - _GAP, -(-len(pictures) // columns) * height - _GAP), (16, 16, 16))
    for number, picture in enumerate(pictures):
        page.paste(picture.convert("RGB"), (number % columns * width, number // columns * height))
    data = io.BytesIO()
    page.save(data, "PNG", optimize=True)
    return data.getvalue()


def write_outcome(
    out: Path,
    facts: Mapping[str, Any],
    measured: ScoringResult,
    metrics: Mapping[str, Metric],
    worst: Sequence[Shown],
) -> list[Path]:
    """Write scores, cases, the page and the contact sheet into ``out``; returns the paths written."""
    write_json(out / SCORES, as_json(facts, measured))
    write_csv(out / CASES, measured.rows)
    sheet = contact_sheet([figure for shown in worst for figure in shown.figures])
    if sheet:
        write_bytes(out / SHEET, sheet)
    write_text(out / PAGE, _page(facts, measured, metrics, worst))
    return [path for name in (SCORES, CASES, SHEET, PAGE) if (path := out / name).is_file()]


def as_json(facts: Mapping[str, Any], measured: ScoringResult) -> dict[str, Any]:
    """Everything that was measured as plain values."""
    return {
        **facts,
        "unlabelled": measured.unlabelled,
        "skipped": [{"sample": name, "reason": reason} for name, reason in measured.skipped],
        "scores": {
            model: {
                group: {name: asdict(score) for name, score in by_name.items()} for group, by_name in groups.items()
            }
            for model, groups in measured.scores.items()
        },
        "differences": {
            pair: {name: asdict(difference) for name, difference in by_name.items()}
            for pair, by_name in measured.differences.items()
        },
    }


def measured_names(scores: Scores) -> list[str]:
    """The metrics that could be measured at all."""
    names = dict.fromkeys(name for groups in scores.values() for by_name in groups.values() for name in by_name)
    return [n for n in names if any(by[n].n for groups in scores.values() for by in groups.values())]


def _page(
    facts: Mapping[str, Any], measured: ScoringResult, metrics: Mapping[str, Metric], worst: Sequence[Shown]
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
        directions=DIRECTIONS,
        format_score=format_score,
        worst=worst,
    )


def _verdict(measured: ScoringResult, metric: str) -> Verdict | None:
    """The student beside its teacher by the metric that comes first; None where either was not measured by it."""
    every = {model: next(iter(by_group.values())) for model, by_group in measured.scores.items()}
    if not all(model in every and every[model][metric].n for model in (STUDENT, TEACHER)):
        return None
    return verdict(Outcome(metric, every, {}, {}, [], measured.differences))


def _on_cpu(networks: Networks) -> Networks:
    return {model: network.cpu() for model, network in networks.items()}
