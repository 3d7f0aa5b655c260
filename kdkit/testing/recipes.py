"""Examples from the default recipes of domains: they say with what options and on what each component is used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from kdkit.contracts.component import Component
from kdkit.errors import KdkitError
from kdkit.plugins.registry import Plugin, Registry
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.load import load_experiment
from kdkit.sample import Sample
from kdkit.testing.domain_examples import predictions

INPUTS, CASES = 2, 4


class Use:
    """An experiment in which a component is used, and what it meets there."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    @cached_property
    def classes(self) -> set[type[Component]]:
        """The classes of all its components."""
        return {type(part) for part in self.experiment.components().values()}

    @cached_property
    def inputs(self) -> np.ndarray:
        """A small batch of raw inputs, such as the networks get."""
        inputs = [sample.inputs for sample in self.experiment.training_source.generate(range(INPUTS))]
        # Where samples differ in shape, the first one and its reflection make a batch.
        return np.stack(inputs if inputs[0].shape == inputs[1].shape else [inputs[0], inputs[0][::-1]])

    @cached_property
    def cases(self) -> list[tuple[np.ndarray, Sample]]:
        """Samples of the evaluation with the teacher's predictions for them, such as the metrics get."""
        samples = list(self.experiment.evaluation_source.generate(range(CASES)))
        return list(zip(predictions(self.experiment, samples), samples, strict=True))


class Recipes:
    """The default recipes of every domain that has a valid one."""

    def __init__(self, registry: Registry) -> None:
        self._uses: list[Use] = []
        self._unresolved: set[str] = set()
        for name in registry.names("domain"):
            try:
                self._uses.append(Use(load_experiment(registry, name)))
            except KdkitError:
                self._unresolved.add(name)  # told when that domain itself is verified

    def find(self, component: type[Component], plugin: Plugin) -> tuple[Use, Mapping[str, Any]] | None:
        """A use of this class with the options that it has there.

        One that no default recipe names is tried in the domain of its own plugin, if just one has a recipe that runs
        as it is. None when there is no such use.
        """
        for use in self._uses:
            for instance in use.experiment.components().values():
                if type(instance) is component:
                    return use, instance.options.model_dump()
        names = [entry.name for entry in plugin.entries["domain"]]
        near = [use for use in self._uses if use.experiment.recipe.domain in names]
        return (near[0], {}) if len(near) == 1 else None

    def unresolved(self, plugin: Plugin) -> list[str]:
        """The plugin's domains whose default recipes do not resolve, and so give no examples."""
        return [entry.name for entry in plugin.entries["domain"] if entry.name in self._unresolved]
