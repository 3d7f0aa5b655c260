"""A recipe whose components are chosen, checked and at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdkit.contracts.adversary import Adversary
from kdkit.contracts.alignment import WindowCut
from kdkit.contracts.component import Component, fingerprint_of, paths_in
from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric
from kdkit.contracts.objective import Objective
from kdkit.contracts.student import Student
from kdkit.contracts.teacher import Teacher
from kdkit.recipe.schema import Recipe


@dataclass(frozen=True)
class Term:
    """An objective with its weight in the sum that the student is trained by."""

    name: str
    weight: float
    objective: Objective


@dataclass(frozen=True)
class Experiment:
    """Everything that the stages need to know. Nothing is built yet: no weights are read, torch is not loaded.

    ``control_generators``: for each control of the recipe its own source, None where it takes the recipe's.
    ``domain_file``: the Python file of a single-file domain; None when the domain is installed.
    """

    recipe: Recipe
    domain: Domain
    domain_file: Path | None
    generator: Generator | Adversary
    teacher: Teacher
    student: Student
    terms: Sequence[Term]
    metrics: Mapping[str, Metric]
    evaluation_generator: Generator | None
    control_generators: Sequence[Generator | None]

    @property
    def evaluation_source(self) -> Generator:
        """The source of the evaluation samples; a recipe with an adversary names one of its own."""
        source = self.evaluation_generator or self.generator
        assert isinstance(source, Generator)
        return source

    @property
    def training_source(self) -> Generator:
        """The source of the training samples; where an adversary makes them up, that of the evaluation samples."""
        return self.generator if isinstance(self.generator, Generator) else self.evaluation_source

    @property
    def learns_from_recordings(self) -> bool:
        """Whether real recordings are among the samples that the student is trained on."""
        return not self.generator.synthetic

    @property
    def control_generator(self) -> Generator | None:
        """The source of the first control's samples, where it has one of its own."""
        return next(iter(self.control_generators), None)

    @property
    def window_cut(self) -> WindowCut | None:
        """How windows of the training samples are cut; None where whole samples are taken."""
        window = self.recipe.training.window
        return None if window is None else WindowCut.of(self.domain.aligned_axes, window)

    def margin(self, metric: str) -> float:
        """The loss by this metric from which on a student counts as worse; 0 where nobody named one.

        ``metric``: as the recipe calls it, by a label or by its name. The domain's margins go by names.
        """
        margins, name = self.recipe.evaluation.margin, self.metrics[metric].origin.name
        return margins.get(metric, self.domain.margins.get(name, 0.0))

    def components(self) -> dict[str, Component]:
        """Every component by its dotted path in the recipe."""
        components: dict[str, Component] = {
            "generator": self.generator,
            "teacher": self.teacher,
            "student": self.student,
        }
        single = not isinstance(self.recipe.objective, list)
        components |= {"objective" if single else f"objective.{i}": t.objective for i, t in enumerate(self.terms)}
        components |= {f"evaluation.metrics.{i}": metric for i, metric in enumerate(self.metrics.values())}
        if self.evaluation_generator:
            components["evaluation.generator"] = self.evaluation_generator
        own = {f"controls.{i}.generator": source for i, source in enumerate(self.control_generators) if source}
        return components | own

    def identity(self) -> str:
        """16 hexadecimal digits of what a run computes, whatever it runs on and however it was written: names it.

        The number of seeds does not count: more of them are added to the same run.
        """
        return self._fingerprint_of(self.resolved_tree())

    def contents(self) -> str:
        """As :meth:`identity`, but files and folders that options name count by what they hold, not where they lie.

        Empty where no option names any.
        """
        if not any(True for one in self.components().values() for _ in paths_in(one.options.model_dump())):
            return ""
        return self._fingerprint_of(self._tree_with(lambda component: {"fingerprint": component.fingerprint()}))

    def _fingerprint_of(self, tree: Mapping[str, Any]) -> str:
        recipe = {key: value for key, value in tree.items() if key != "trainer"}
        recipe["training"] = {key: value for key, value in recipe["training"].items() if key != "seeds"}
        return fingerprint_of(recipe=recipe, precision=self.recipe.trainer.precision)

    def resolved_tree(self) -> dict[str, Any]:
        """The recipe with every default filled in, as plain values that YAML and JSON can hold."""
        return self._tree_with(lambda component: component.options.model_dump(mode="json"))

    def _tree_with(self, describe: Callable[[Component], dict[str, Any]]) -> dict[str, Any]:
        """The recipe as plain values, with what ``describe`` says of each component in place of its options."""
        tree = self.recipe.model_dump(mode="json")
        for path, component in self.components().items():
            parent, _, last = path.rpartition(".")
            node: Any = tree
            for key in filter(None, parent.split(".")):
                node = node[int(key) if isinstance(node, list) else key]
            place: Any = int(last) if isinstance(node, list) else last
            choice = {"name": node[place]} if isinstance(node[place], str) else node[place]
            options = type(component.options).model_fields
            whole = {key: value for key, value in choice.items() if key not in options} | describe(component)
            if whole.get("label", "") is None:
                del whole["label"]
            node[place] = whole if len(whole) > 1 or isinstance(place, str) else whole["name"]
        return tree
