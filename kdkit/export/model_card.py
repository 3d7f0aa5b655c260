"""``student/README.md``: what a student is, for people, with the front matter that Hugging Face reads."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import kdkit
from kdkit.contracts.component import Component
from kdkit.contracts.metric import Score
from kdkit.evaluation.numbers import NOTHING, format_score, with_unit
from kdkit.evaluation.outcome import Outcome
from kdkit.evaluation.ranking import best_first
from kdkit.evaluation.verdict import verdict
from kdkit.export.metadata import UNITS
from kdkit.recipe.experiment import Experiment
from kdkit.runs.folder import STUDENT, TEACHER

# The worst cases that are named.
WORST = 3


def model_card(experiment: Experiment, card: Mapping[str, Any], outcome: Outcome) -> str:
    """The Markdown page of a measured student; ``card``: the content of its card.json."""
    recipe, domain, judged = experiment.recipe, experiment.domain, verdict(outcome)
    licence = card.get("licence") or {}
    teacher_licence = licence.get("teacher", "")
    return _render(
        card=card,
        kdkit_version=kdkit.__version__,
        license_tag=teacher_licence.lower() if teacher_licence == licence.get("student") != "" else "other",
        student_licence=licence.get("student", ""),
        teacher_licence=teacher_licence,
        unit=UNITS[domain.activation],
        student_summary=_summary(experiment.student),
        domain_summary=_summary(domain),
        generator_summary=_summary(experiment.generator),
        teacher_summary=_summary(experiment.teacher),
        intended_use=domain.intended_use,
        failure_modes=domain.failure_modes,
        untested=domain.untested,
        samples=recipe.samples.train,
        evaluated=recipe.samples.evaluation,
        generator=recipe.generator.name,
        real_data=experiment.learns_from_recordings,
        evaluation_generator=experiment.evaluation_source.origin.name,
        teacher=recipe.teacher.name,
        headline=judged.headline,
        numbers=judged.numbers,
        remarks=judged.remarks,
        rows=list(_rows(outcome, next((control.name for control in recipe.controls), ""))),
        metric=outcome.metric,
        worst=_worst(outcome, experiment.metrics[outcome.metric].higher_is_better),
    )


def _rows(outcome: Outcome, control: str) -> Iterator[dict[str, str]]:
    """``control``: the name of the first control; "" without any."""
    for metric, score in outcome.scores.get(STUDENT, {}).items():
        others = {"teacher": TEACHER, "control": control}
        difference = outcome.differences.get(f"{STUDENT}-{TEACHER}", {}).get(metric)
        gap = None
        if difference is not None and difference.value is not None:
            gap = Score(difference.value, difference.ci_low, difference.ci_high, difference.n, score.unit, None)
        yield {
            "metric": metric,
            "student": _number(score),
            **{column: _number(outcome.scores.get(model, {}).get(metric)) for column, model in others.items()},
            "difference": difference.describe(_number(gap)) if difference else NOTHING,
            "margin": with_unit(f"{difference.margin:g}", score.unit) if difference and gap else NOTHING,
            "verdict": difference.verdict if difference and gap else NOTHING,
        }


def _number(score: Score | None) -> str:
    if score is None or score.value is None:
        return NOTHING
    return with_unit(format_score(score).line, score.unit)


def _worst(outcome: Outcome, higher_is_better: bool | None) -> str:
    """The samples on which the student did worst, with its values, worst first; "" where none was measured."""
    ranked = best_first(outcome.samples, higher_is_better)
    return ", ".join(f"`{row.name}` ({row.values[STUDENT]:.3g})" for row in ranked[: -WORST - 1 : -1])


def _summary(component: Component) -> str:
    """The first sentence of the class's description."""
    text = inspect.getdoc(type(component)) or ""
    return " ".join(text.partition("\n\n")[0].split()) or "No description."


def _cell(text: str) -> str:
    """Text in one cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _render(**values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701, as the page is Markdown, which is no HTML
        loader=PackageLoader("kdkit.export"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["cell"] = _cell
    return environment.get_template("README.md.jinja").render(**values)
