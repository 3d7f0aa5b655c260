"""The components that a recipe chooses, with their options."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from kdkit.contracts.component import Component, ComponentOptions
from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.errors import PluginError, Problem, UsageError, did_you_mean
from kdkit.plugins.calls import call, name_component
from kdkit.plugins.choice import ComponentChoice
from kdkit.plugins.registry import Registry
from kdkit.recipe.experiment import Experiment, Term
from kdkit.recipe.faults import validate
from kdkit.recipe.fitting import misfits
from kdkit.recipe.merge import Tree
from kdkit.recipe.schema import Choice, Recipe, part_of


@dataclass(frozen=True)
class Chooser:
    """Makes components, and collects in ``problems`` what is wrong with their names and options.

    ``missing``: a list to receive the paths that cannot be used; without it they are problems, too. ``broken``:
    those of the problems that are faults of a plugin, whatever the recipe says.
    """

    registry: Registry
    problems: list[Problem]
    missing: list[Problem] | None = None
    broken: list[PluginError] = dataclasses.field(default_factory=list)

    def component(
        self, kind: str, name: str, values: Mapping[str, object], path: str, **arguments: Any
    ) -> Component | None:
        """The component of that name with the options ``values``; None where something is wrong with either.

        ``path``: where it stands in the recipe. ``arguments``: what its class takes beside the options.
        """
        cls = self._component_class(kind, name, path)
        if cls is None:
            return None
        is_installed = self.registry.find(kind, name)[0].file is None
        hint = f"   (kdkit plugins info {name})" if is_installed else ""
        # Components among the options are looked at first, by themselves: their faults read like any component's.
        faulty_paths, problems, missing = [], list[Problem](), None if self.missing is None else list[Problem]()
        for where, inner_kind, choice in _components_among(cls.Options, values, path):
            if self.component(inner_kind, choice.name, choice.extra_options, where) is None:
                faulty_paths.append(where)
        options = validate(cls.Options, values, path, problems, hint, {"registry": self.registry}, missing)
        missing_paths = {problem.path for problem in self.missing or ()}
        problems = [p for p in problems if not any(f"{p.path}.".startswith(f"{where}.") for where in faulty_paths)]
        self.problems.extend(problem for problem in problems if problem.path not in missing_paths)
        if self.missing is not None:
            self.missing.extend(problem for problem in missing or () if problem.path not in missing_paths)
        if options is None:
            return None
        assert isinstance(options, ComponentOptions)
        with name_component(cls, "cannot be made of its options"):
            return cls(options, **arguments)

    def experiment(self, domain_class: type[Domain], recipe: Recipe) -> Experiment:
        """The experiment of a recipe whose shape is right; a component that cannot be made is None in it."""
        seed, evaluation = recipe.seed, recipe.evaluation
        experiment = Experiment(
            recipe=recipe,
            domain=domain_class(),
            domain_file=self.registry.find("domain", recipe.domain)[0].file,
            generator=self._choice("generator", recipe.generator, "generator", seed=seed),
            teacher=self._choice("teacher", recipe.teacher, "teacher"),
            student=self._choice("student", recipe.student, "student"),
            terms=self._terms(recipe),
            metrics=self._metrics(recipe),
            evaluation_generator=self._choice("generator", evaluation.generator, "evaluation.generator", seed=seed)
            if evaluation.generator
            else None,
            control_generators=[
                self._choice("generator", control.generator, f"controls.{i}.generator", seed=seed)
                if control.generator
                else None
                for i, control in enumerate(recipe.controls)
            ],
        )
        for component in experiment.components().values():
            if isinstance(component, Generator) and component.needs_gradients and experiment.teacher is not None:
                call(component.bind, experiment.teacher)
        self.problems.extend(misfits(experiment))
        return experiment

    def check(self, tree: Tree) -> None:
        """Look for faults in the components of a recipe whose shape is wrong, so that all are seen in one go."""
        for path, kind, choice in _choices(tree):
            if isinstance(choice, dict) and isinstance(choice.get("name"), str):
                reserved_keys = {"name", {"objective": "weight", "metric": "label"}.get(kind, "name")}
                options = {k: v for k, v in choice.items() if k not in reserved_keys}
                self.component(kind, choice["name"], options, path)

    def _component_class(self, kind: str, name: str, path: str) -> type[Component] | None:
        try:
            return self.registry.component(kind, name)
        except UsageError as error:
            unknown = f"there is no {kind} {name!r}; {did_you_mean(name, self.registry.names(kind))}"
            self.problems.append(Problem(path, unknown + (f" ({error.remedy})" if error.remedy else "")))
        except PluginError as error:
            told = PluginError(f"{path}: {error.message}", error.remedy)
            told.__cause__ = error
            self.broken.append(told)
            self.problems.append(Problem(path, error.line))
        return None

    def _choice(self, kind: str, choice: Choice | str, path: str, **arguments: Any) -> Any:
        if isinstance(choice, str):
            choice = Choice(name=choice)
        return self.component(kind, choice.name, choice.extra_options, path, **arguments)

    def _terms(self, recipe: Recipe) -> list[Term]:
        return [
            Term(choice.name, getattr(choice, "weight", 1.0), self._choice("objective", choice, path))
            for path, choice in _objectives(recipe.objective)
        ]

    def _metrics(self, recipe: Recipe) -> dict[str, Any]:
        metrics = {}
        for i, metric in enumerate(recipe.evaluation.metrics):
            title, path = metric if isinstance(metric, str) else metric.title, f"evaluation.metrics.{i}"
            if title in metrics:
                self.problems.append(Problem(path, f"{title} is listed twice; give one of them a label of its own"))
            metrics[title] = self._choice("metric", metric, path)
        return metrics


def _objectives(choices: Any) -> list[tuple[str, Any]]:
    """Each objective with its path, of one choice or of a list of them."""
    if isinstance(choices, list):
        return [(f"objective.{i}", choice) for i, choice in enumerate(choices)]
    return [("objective", choices)]


def _choices(tree: Tree) -> Iterator[tuple[str, str, Any]]:
    """Path, kind and content of each place where a recipe chooses a component."""
    for kind in ("generator", "teacher", "student"):
        yield kind, kind, tree.get(kind)
    for path, choice in _objectives(tree.get("objective")):
        yield path, "objective", choice
    evaluation = tree["evaluation"] if isinstance(tree.get("evaluation"), dict) else {}
    metrics = evaluation.get("metrics")
    for i, metric in enumerate(metrics if isinstance(metrics, list) else []):
        yield f"evaluation.metrics.{i}", "metric", {"name": metric} if isinstance(metric, str) else metric
    yield "evaluation.generator", "generator", evaluation.get("generator")
    controls = tree.get("controls")
    for i, control in enumerate(controls if isinstance(controls, list) else []):
        if isinstance(control, dict):
            yield f"controls.{i}.generator", "generator", control.get("generator")


def _components_among(
    options: type[BaseModel], values: Mapping[str, object], path: str
) -> Iterator[tuple[str, str, Choice]]:
    """Path, kind and choice of each component that is chosen as an option; validation finds what is no choice."""
    for name, field in options.model_fields.items():
        part = part_of(field)
        if part is None or not issubclass(part, ComponentChoice):
            continue
        value, where = values.get(name), f"{path}.{name}"
        places = [(f"{where}.{i}", v) for i, v in enumerate(value)] if isinstance(value, list) else [(where, value)]
        for place, choice in places:
            if isinstance(choice, Mapping) and isinstance(choice.get("name"), str):
                yield place, part.kind, Choice.model_validate(choice)
