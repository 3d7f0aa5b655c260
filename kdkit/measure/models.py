"""The models that are measured on a user's data: a student, and the teacher beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdkit.contracts.metric import Metric
from kdkit.contracts.teacher import Teacher
from kdkit.errors import KdkitError
from kdkit.experiment import Experiment
from kdkit.plugins import Registry
from kdkit.recipe.load import load_experiment
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
    domain = folder.manifest().get("domain")
    if not isinstance(domain, str) or not folder.recipe_file.is_file():
        return None
    try:
        return _built(load_experiment(registry, domain, folder.recipe_file))
    except KdkitError as error:
        return TeacherFound("", None, str(error))


def default_teacher(registry: Registry, domain: str) -> TeacherFound:
    """The teacher of a domain's default recipe. Raises :class:`KdkitError` when it cannot be built."""
    return _built(load_experiment(registry, domain))


def _built(experiment: Experiment) -> TeacherFound:
    teacher: Teacher = experiment.teacher
    return TeacherFound(experiment.recipe.teacher.name, teacher.build())


def chosen_metrics(registry: Registry, student: TrainedStudent, names: list[str]) -> dict[str, Metric]:
    """These metrics with their default options, else those of the domain for data, else those of its recipe.

    Raises :class:`kdkit.errors.UsageError` for a name that is unknown.
    """
    wanted = names or list(student.domain.data_metrics)
    if not wanted:
        return dict(load_experiment(registry, student.card["domain"]).metrics)
    made: dict[str, Any] = {name: registry.component("metric", name)() for name in wanted}
    return made
