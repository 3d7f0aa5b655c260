"""The models that are measured on a user's data: a student, and the teacher beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from kdkit.contracts.metric import Metric
from kdkit.errors import DataError, KdkitError, UsageError
from kdkit.plugins.calls import call
from kdkit.plugins.registry import Registry
from kdkit.recipe.faults import describe_fault
from kdkit.recipe.load import default_tree, load_experiment
from kdkit.recipe.schema import Choice, MetricChoice
from kdkit.runs.folder import RunFolder
from kdkit.runs.student import TrainedStudent

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LoadedTeacher:
    """A teacher's network, what it is called and its fingerprint; without a network, ``reason`` says why."""

    name: str
    network: torch.nn.Module | None
    reason: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class LoadedModel:
    """A network to be measured, what it is called, and what its predictions depend on."""

    name: str
    network: torch.nn.Module
    fingerprint: str


def teacher_of_run(registry: Registry, run: Path) -> LoadedTeacher | None:
    """The teacher that a run's recipe names; None when ``run`` is not the folder of a run.

    A teacher that is no longer there (its weights were moved, say) does not keep a student from being measured.
    """
    folder = RunFolder(run)
    if folder.lost_manifest():
        return LoadedTeacher("", None, f"{folder.manifest_file} is missing or damaged")
    if not folder.manifest() or not folder.recipe_file.is_file():
        return None
    if not folder.has_own_recipe():
        return LoadedTeacher(
            "", None, f"{folder.recipe_file} is damaged, or was edited: it is not what the run wrote"
        )
    try:
        recipe = yaml.safe_load(folder.recipe_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        return LoadedTeacher("", None, f"{folder.recipe_file} cannot be read: {error}")
    try:
        return _build_teacher(registry, recipe)
    except KdkitError as error:
        return LoadedTeacher("", None, str(error))


def default_teacher(registry: Registry, domain: str) -> LoadedTeacher:
    """The teacher of a domain's default recipe. Raises :class:`KdkitError` when it cannot be built."""
    domain_class: Any = registry.component("domain", domain)
    return _build_teacher(registry, default_tree(domain_class, domain))


def _build_teacher(registry: Registry, recipe: Any) -> LoadedTeacher:
    """The teacher of a recipe alone: what else it names (a folder of clips, say) need not be on this machine."""
    try:
        choice = Choice.model_validate(recipe["teacher"])
        teacher_class: Any = registry.component("teacher", choice.name)
        options = teacher_class.Options.model_validate(choice.extra_options, context={"registry": registry})
    except (KeyError, TypeError) as error:
        raise DataError("the recipe names no teacher") from error
    except ValidationError as error:
        places = (".".join(map(str, ("teacher", *fault["loc"]))) for fault in error.errors())
        faults = "; ".join(f"{p}: {describe_fault(f)}" for p, f in zip(places, error.errors(), strict=True))
        raise DataError(f"the teacher of the recipe cannot be used: {faults}") from error
    teacher = teacher_class(options)
    return LoadedTeacher(choice.name, call(teacher.build), fingerprint=teacher.fingerprint())


def select_metrics(registry: Registry, student: TrainedStudent, names: list[str]) -> dict[str, Metric]:
    """The metrics that ``names`` lists, else those of the domain for data, else those of its recipe.

    Each is a name, or what a recipe has: ``{name: accuracy, label: coarse, classes: 3}``. Raises
    :class:`UsageError` for a name that is unknown or a title given twice, and :class:`DataError` for options that are
    not the metric's.
    """
    names = names or list(student.domain.data_metrics)
    if not names:
        return dict(load_experiment(registry, student.card["domain"]).metrics)
    metrics = [_read_metric(registry, name) for name in names]
    for name, count in Counter(name for name, _ in metrics).items():
        if count > 1:
            raise UsageError(
                f"the metric {name} is given twice", "Give one of them a label: {name: NAME, label: TEXT}."
            )
    return dict(metrics)


def _read_metric(registry: Registry, text: str) -> tuple[str, Metric]:
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"the metric {text!r} is neither a name nor {{name: NAME, option: value}}") from error
    try:
        choice = MetricChoice.model_validate(value if isinstance(value, dict) else {"name": text})
        metric: Any = registry.component("metric", choice.name)
        return choice.title, metric(metric.Options.model_validate(choice.extra_options))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {describe_fault(fault)}" for fault in error.errors())
        raise DataError(f"the metric {text} cannot be used: {faults}") from error
