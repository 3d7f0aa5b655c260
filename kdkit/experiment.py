"""A recipe whose components are chosen, checked and at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kdkit.contracts.component import Component, fingerprint_of
from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric
from kdkit.contracts.objective import Objective
from kdkit.contracts.student import Student
from kdkit.contracts.teacher import Teacher
from kdkit.recipe.schema import Recipe


@dataclass(frozen=True)
class Experiment:
    """Everything that the stages need to know. Nothing is built yet: no weights are read, torch is not loaded."""

    recipe: Recipe
    domain: Domain
    generator: Generator
    teacher: Teacher
    student: Student
    objective: Objective
    metrics: Mapping[str, Metric]
    evaluation_generator: Generator | None
    control_generator: Generator | None

    def placed(self) -> dict[str, Component]:
        """Every component by its dotted path in the recipe."""
        placed: dict[str, Component] = {
            "generator": self.generator,
            "teacher": self.teacher,
            "student": self.student,
            "objective": self.objective,
        }
        placed |= {f"evaluation.metrics.{i}": metric for i, metric in enumerate(self.metrics.values())}
        if self.evaluation_generator:
            placed["evaluation.generator"] = self.evaluation_generator
        if self.control_generator:
            placed["control.generator"] = self.control_generator
        return placed

    def identity(self) -> str:
        """16 hexadecimal digits of what is asked for, whatever it runs on: names the run."""
        asked = self.recipe.model_dump(mode="json", exclude={"trainer"})
        return fingerprint_of(recipe=asked, precision=self.recipe.trainer.precision)
