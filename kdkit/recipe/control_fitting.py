"""Whether the controls of a recipe can be trained, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.domain import Domain
from kdkit.contracts.objective import FeatureObjective
from kdkit.errors import Problem
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.schema import Control

# What scores and folders of a run are called beside its controls.
_RESERVED = ("teacher", "student", "humans", "differences")
_SEED = re.compile(r"-seed\d+$")


def control_misfits(experiment: Experiment) -> Iterator[Problem]:
    """One problem for each control that cannot be what its place in the recipe asks for."""
    names: list[str] = []
    for i, control in enumerate(experiment.recipe.controls):
        path = f"controls.{i}"
        if control.name in _RESERVED or _SEED.search(control.name) or control.name.startswith("student-"):
            yield Problem(f"{path}.name", f"{control.name} is a name of the run's own; choose another")
        if control.name in names:
            yield Problem(f"{path}.name", f"there are two controls {control.name}; give one of them another name")
        names.append(control.name)
        yield from _source(experiment, control, path)
        yield from _targets(experiment, control, f"{path}.targets")


def _source(experiment: Experiment, control: Control, path: str) -> Iterator[Problem]:
    if control.generator is not None:
        return
    if isinstance(experiment.generator, Adversary):
        yield Problem(f"{path}.generator", "missing: the recipe's own is an adversary, which makes no samples for it")
    elif control.targets == "teacher":
        yield Problem(path, "is the student itself; give it a generator, or other targets")


def _targets(experiment: Experiment, control: Control, path: str) -> Iterator[Problem]:
    recipe, teacher = experiment.recipe, experiment.teacher
    if control.targets == "teacher":
        return
    for term in experiment.terms:
        if isinstance(term.objective, FeatureObjective):
            yield Problem(path, f"found {control.targets}, but {term.name} looks at the trained teacher's features")
    if control.targets == "untrained-teacher" and teacher is not None and not teacher.gradients:
        yield Problem(path, f"the weights of the teacher {recipe.teacher.name} are not here to be drawn anew")
    if control.targets == "truth" and type(experiment.domain).target_from_truth is Domain.target_from_truth:
        yield Problem(path, f"the domain {recipe.domain} makes no targets of truth; it lacks target_from_truth")
