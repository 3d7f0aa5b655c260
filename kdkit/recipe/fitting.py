"""Whether the components of a recipe fit together: what one demands of another, checked before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import get_args

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.objective import FeatureObjective
from kdkit.contracts.vocabulary import Activation
from kdkit.errors import DataError, Problem, did_you_mean
from kdkit.recipe.control_fitting import control_misfits
from kdkit.recipe.experiment import Experiment


def misfits(experiment: Experiment) -> Iterator[Problem]:
    """One problem for each component that cannot do its part beside the others.

    A component that could not be made, and is None here, is a problem already.
    """
    if experiment.domain.activation in get_args(Activation):
        yield from _objectives(experiment)
        yield from _teacher(experiment)
        yield from _generators(experiment)
    else:
        yield _unknown_activation(experiment.domain)
    yield from _margins(experiment)
    yield from _window(experiment)
    yield from control_misfits(experiment)


def _unknown_activation(domain: Domain) -> Problem:
    known = list(get_args(Activation))
    hint = did_you_mean(str(domain.activation), known)
    message = f"{type(domain).__name__}.activation is {domain.activation!r}; {hint}"
    return Problem("domain", f"{message} It stands in {inspect.getsourcefile(type(domain))}")


def _margins(experiment: Experiment) -> Iterator[Problem]:
    names = list(experiment.metrics)
    for name in experiment.recipe.evaluation.margin:
        if name not in names:
            yield Problem(f"evaluation.margin.{name}", f"is not among the metrics; {did_you_mean(name, names)}")


def _window(experiment: Experiment) -> Iterator[Problem]:
    domain, window = experiment.recipe.domain, experiment.recipe.training.window
    if window is None or isinstance(experiment.generator, Adversary):
        return
    if not experiment.domain.aligned_axes:
        yield Problem(
            "training.window",
            f"found {window}, expected null: the domain {domain} does not say which axes of inputs and targets run "
            "alongside each other (aligned_axes), so no window can be cut from both",
        )
        return
    try:
        _ = experiment.window_cut
    except DataError as error:
        yield Problem("training.window", f"found {window}: {error.message}")


def _teacher(experiment: Experiment) -> Iterator[Problem]:
    recipe, teacher, activation = experiment.recipe, experiment.teacher, experiment.domain.activation
    if teacher is not None and teacher.activations is not None and activation not in teacher.activations:
        fit = " or ".join(teacher.activations)
        message = f"{recipe.teacher.name} is for the activation {fit}; the domain {recipe.domain} has {activation}"
        yield Problem("teacher", message)


def _generators(experiment: Experiment) -> Iterator[Problem]:
    recipe, generator, activation = experiment.recipe, experiment.generator, experiment.domain.activation
    for path, component in experiment.components().items():
        needs_gradients = isinstance(component, Adversary) or (
            isinstance(component, Generator) and component.needs_gradients
        )
        if needs_gradients and experiment.teacher is not None and not experiment.teacher.gradients:
            yield Problem(
                path,
                f"needs the teacher's gradients, and the teacher {recipe.teacher.name} gives only logits; choose "
                "another generator, or a teacher that runs in this process",
            )
        if path != "generator" and isinstance(component, Adversary):
            yield Problem(path, "is an adversary, which makes no samples outside the training; choose a source")
    if not isinstance(generator, Adversary):
        return
    if activation not in generator.activations:
        fit = " or ".join(generator.activations)
        message = f"with these options {recipe.generator.name} is for the activation {fit}"
        yield Problem("generator", f"{message}; the domain {recipe.domain} has {activation}")
    if recipe.evaluation.generator is None:
        yield Problem("evaluation.generator", "missing: an adversary makes no samples to evaluate on")
    if recipe.training.patience is not None:
        message = "expected null: against an adversary the validation loss need not fall"
        yield Problem("training.patience", f"found {recipe.training.patience}, {message}")
    if recipe.training.window is not None:
        message = "expected null: an adversary makes samples of the length to train on"
        yield Problem("training.window", f"found {recipe.training.window}, {message}")


def _objectives(experiment: Experiment) -> Iterator[Problem]:
    recipe, activation = experiment.recipe, experiment.domain.activation
    paths = [path for path in experiment.components() if path.partition(".")[0] == "objective"]
    for path, term in zip(paths, experiment.terms, strict=True):
        if [other.name for other in experiment.terms].index(term.name) != experiment.terms.index(term):
            yield Problem(path, f"{term.name} is listed twice")
        if term.objective is None:
            continue
        if activation not in term.objective.activations:
            fit = " or ".join(term.objective.activations)
            message = f"{term.name} is for the activation {fit}; the domain {recipe.domain} has {activation}"
            yield Problem(path, message)
        has_gradients = experiment.teacher is None or experiment.teacher.gradients
        if isinstance(term.objective, FeatureObjective) and not has_gradients:
            yield Problem(
                path,
                f"{term.name} looks at the teacher's features, and the teacher {recipe.teacher.name} gives only "
                "logits; leave it out, or choose a teacher that runs in this process",
            )
    if all(isinstance(term.objective, FeatureObjective) for term in experiment.terms):
        example = "[{name: kl}, {name: " + experiment.terms[0].name + ", ...}]"
        yield Problem(
            "objective",
            f"{experiment.terms[0].name} compares features only, so nothing would train the logits; set it beside "
            f"another objective: {example}",
        )
