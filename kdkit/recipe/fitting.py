"""Whether the components of a recipe fit together: what one demands of another, told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from kdkit.contracts.objective import FeatureObjective
from kdkit.errors import Problem
from kdkit.experiment import Experiment


def misfits(experiment: Experiment) -> Iterator[Problem]:
    """One problem for each component that cannot do its part beside the others.

    A component that could not be made, and is None here, was told of already.
    """
    yield from _objectives(experiment)
    yield from _teacher(experiment)


def _teacher(experiment: Experiment) -> Iterator[Problem]:
    recipe, teacher, activation = experiment.recipe, experiment.teacher, experiment.domain.activation
    if teacher is not None and teacher.activations is not None and activation not in teacher.activations:
        fit = " or ".join(teacher.activations)
        told = f"{recipe.teacher.name} answers for the activation {fit}; the domain {recipe.domain} has {activation}"
        yield Problem("teacher", told)


def _objectives(experiment: Experiment) -> Iterator[Problem]:
    recipe, activation = experiment.recipe, experiment.domain.activation
    paths = [path for path in experiment.placed() if path.partition(".")[0] == "objective"]
    for path, term in zip(paths, experiment.terms, strict=True):
        if [other.name for other in experiment.terms].index(term.name) != experiment.terms.index(term):
            yield Problem(path, f"{term.name} is listed twice")
        if term.objective is None:
            continue
        if activation not in term.objective.activations:
            fit = " or ".join(term.objective.activations)
            told = f"{term.name} is for the activation {fit}; the domain {recipe.domain} has {activation}"
            yield Problem(path, told)
        local = experiment.teacher is None or experiment.teacher.gradients
        if isinstance(term.objective, FeatureObjective) and not local:
            yield Problem(
                path,
                f"{term.name} looks at the teacher's features, and the teacher {recipe.teacher.name} gives only "
                "answers; leave it out, or choose a teacher that runs in this process",
            )
    if all(isinstance(term.objective, FeatureObjective) for term in experiment.terms):
        beside = "[{name: kl}, {name: " + experiment.terms[0].name + ", ...}]"
        yield Problem(
            "objective",
            f"{experiment.terms[0].name} compares features only, so nothing would train the answers; set it beside "
            f"another objective: {beside}",
        )
