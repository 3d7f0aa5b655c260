"""The report of a run as one page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.vocabulary import Figure
from kdkit.evaluation.numbers import common_format, format_duration, format_percent, with_unit
from kdkit.evaluation.outcome import Outcome, SampleValues
from kdkit.evaluation.ranking import best_first
from kdkit.evaluation.retention import measure_retention
from kdkit.evaluation.verdict import verdict
from kdkit.pages import charts
from kdkit.pages.published import published_results
from kdkit.pages.summary import direction_of, fact_rows, score_rows
from kdkit.pages.svg import style_of
from kdkit.pages.template import render
from kdkit.plugins.calls import call
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.schema import Control, Recipe
from kdkit.recipe.show import commented_yaml
from kdkit.runs.folder import HUMANS, STUDENT, TEACHER
from kdkit.runs.run import training_seed

TEMPLATE = "run.html"
WORST_SAMPLES = 10
_TARGETS = {"untrained-teacher": "answers of an untrained teacher", "truth": "the generator's truth"}
# A manifest notes things as they happen: what no stage has noted yet is empty.
_NOT_NOTED: dict[str, Any] = {
    "identity": "",
    "versions": {},
    "hardware": {},
    "seconds": {},
    "components": {},
    "rejected": {},
    "stages": {},
}


@dataclass(frozen=True)
class RankedCase:
    """The best, the median or the worst sample with the pictures that the domain drew of it."""

    rank: str
    sample: SampleValues
    figures: Sequence[Figure]


def page(
    experiment: Experiment,
    name: str,
    manifest: Mapping[str, Any],
    outcome: Outcome,
    cases: Sequence[RankedCase],
    overview: Sequence[Figure],
) -> str:
    """The report as HTML. ``name``: the run's; ``overview``: the domain's drawings of all samples together."""
    recipe = experiment.recipe
    metric = experiment.metrics[outcome.metric]
    ordered = best_first(outcome.samples, metric.higher_is_better)
    facts = fact_rows(outcome, experiment.domain.item)
    retention = measure_retention(outcome, _real_controls(experiment))
    return render(
        TEMPLATE,
        {
            "common_format": common_format(_known(outcome.samples, STUDENT)),
            "format_duration": format_duration,
            "percent": format_percent,
            "style_of": style_of,
        },
        recipe=recipe,
        controls={
            control.name: (_describe(control, recipe), _reductions(control, recipe)) for control in recipe.controls
        },
        training_seeds=[training_seed(recipe.seed, number) for number in range(recipe.training.seeds)],
        plays=isinstance(experiment.generator, Adversary),
        real_data=experiment.learns_from_recordings,
        name=name,
        models=_models(recipe, outcome),
        verdict=verdict(outcome),
        metric=outcome.metric,
        unit=metric.unit,
        direction=direction_of(metric)[1],
        score_rows=score_rows(outcome, experiment.metrics),
        fact_rows=facts,
        gains=[f"{row.name} {cell.note}" for row in facts for cell in row.cells if cell.note],
        training=_training(experiment, outcome),
        retention=retention,
        retention_chart=charts.retention_chart(retention, outcome.metric) if retention else None,
        terms=_terms(experiment, outcome),
        published=published_results(experiment, outcome),
        remark=call(experiment.evaluation_source.remark),
        distribution=_distribution(outcome, with_unit(outcome.metric, metric.unit and f"({metric.unit})")),
        overview=overview,
        cases=cases,
        worst=ordered[: -WORST_SAMPLES - 1 : -1],
        measured=len(ordered),
        manifest=_NOT_NOTED | dict(manifest),
        resolved=commented_yaml(experiment),
    )


def _models(recipe: Recipe, outcome: Outcome) -> dict[str, str]:
    """Each model's name with the component behind it."""
    seeds = recipe.training.seeds
    student = f"{recipe.student.name}, mean of {seeds} seeds" if seeds > 1 else recipe.student.name
    components = {TEACHER: recipe.teacher.name, STUDENT: student, HUMANS: "beside each other"}
    for control in recipe.controls:
        components[control.name] = f"{recipe.student.name} on {_describe(control, recipe)}"
    return {model: components.get(model, "") for model in outcome.scores}


def _real_controls(experiment: Experiment) -> list[str]:
    """The controls that learnt from the teacher on data that nobody made up."""
    return [
        control.name
        for control, source in zip(experiment.recipe.controls, experiment.control_generators, strict=True)
        if control.targets == "teacher" and source is not None and not source.synthetic
    ]


def _reductions(control: Control, recipe: Recipe) -> str:
    """What a control has less of than the student, in words; empty where that is nothing."""
    pairs = {
        "samples": (control.count_samples(recipe.samples.train), recipe.samples.train),
        "epochs": (control.count_epochs(recipe.training.epochs), recipe.training.epochs),
    }
    return " and ".join(f"{own} of {all_} {what}" for what, (own, all_) in pairs.items() if own < all_)


def _describe(control: Control, recipe: Recipe) -> str:
    """The samples and targets of a control, in words."""
    samples = (control.generator or recipe.generator).name
    return samples if control.targets == "teacher" else f"{samples}, {_TARGETS[control.targets]}"


def _objective(experiment: Experiment) -> str:
    """The loss in words: "kl", or "soft-bce + 0.5 soft-dice"."""
    return " + ".join(term.name if term.weight == 1 else f"{term.weight:g} {term.name}" for term in experiment.terms)


def _training(experiment: Experiment, outcome: Outcome) -> Any:
    """The losses of the student and of the first control; more lines could not be told apart."""
    models = (STUDENT, *outcome.controls[:1])
    histories = {model: outcome.histories[model] for model in models if model in outcome.histories}
    return charts.training_chart(histories, _objective(experiment)) if histories else None


def _terms(experiment: Experiment, outcome: Outcome) -> Any:
    epochs = outcome.histories.get(STUDENT)
    if epochs is None or not epochs.terms:
        return None
    return charts.terms_chart(epochs.terms, {term.name: term.weight for term in experiment.terms})


def _distribution(outcome: Outcome, label: str) -> Any:
    values = {model: _known(outcome.samples, model) for model in outcome.scores}
    values = {model: numbers for model, numbers in values.items() if numbers}
    if not values:
        return None
    scores = {model: outcome.scores[model][outcome.metric] for model in values}
    return charts.distribution_chart(values, scores, label)


def _known(samples: Iterable[SampleValues], model: str) -> list[float]:
    return [value for sample in samples if (value := sample.values.get(model)) is not None]
