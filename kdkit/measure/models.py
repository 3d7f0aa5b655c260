"""The models that are measured on a user's data: a student, and the teacher beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from kdkit.contracts.metric import Metric
from kdkit.errors import KdkitError
from kdkit.plugins import Registry
from kdkit.recipe.load import load_experiment
from kdkit.recipe.schema import Choice
from kdkit.run_folder import RunFolder
from kdkit.student_folder import TrainedStudent

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TeacherFound:
    """A teacher's network and what it is called; without a network, ``reason`` says why."""

    name: str
    network: torch.nn.Module | None
    reason: str = ""


def teacher_of_run(registry: Registry, run: Path) -> TeacherFound | None:
    """The teacher that a run's recipe names; None when ``run`` is not the folder of a run.

    A teacher that is no longer there (its weights were moved, say) does not keep a student from being measured.
    """
    folder = RunFolder(run)
    if not folder.manifest() or not folder.recipe_file.is_file():
        return None
    try:
        recipe = yaml.safe_load(folder.recipe_file.read_text(encoding="utf-8"))
        # The teacher alone: what else the recipe names (a folder of clips, say) need not be on this machine.
        choice = Choice.model_validate(recipe["teacher"])
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        return TeacherFound("", None, f"{folder.recipe_file} cannot be read: {error}")
    try:
        teacher_class: Any = registry.component("teacher", choice.name)
        options = teacher_class.Options.model_validate(choice.given_options, context={"registry": registry})
        return TeacherFound(choice.name, teacher_class(options).build())
    except KdkitError as error:
        return TeacherFound(choice.name, None, str(error))
    except ValidationError as error:
        faults = "; ".join(f"teacher.{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        return TeacherFound(choice.name, None, faults)


def default_teacher(registry: Registry, domain: str) -> TeacherFound:
    """The teacher of a domain's default recipe. Raises :class:`KdkitError` when it cannot be built."""
    experiment = load_experiment(registry, domain)
    return TeacherFound(experiment.recipe.teacher.name, experiment.teacher.build())


def chosen_metrics(registry: Registry, student: TrainedStudent, names: list[str]) -> dict[str, Metric]:
    """These metrics with their default options, else those of the domain for data, else those of its recipe.

    Raises :class:`kdkit.errors.UsageError` for a name that is unknown.
    """
    wanted = names or list(student.domain.data_metrics)
    if not wanted:
        return dict(load_experiment(registry, student.card["domain"]).metrics)
    made: dict[str, Any] = {name: registry.component("metric", name)() for name in wanted}
    return made
