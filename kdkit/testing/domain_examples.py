"""What the promises of a domain are tried with: the samples and the teacher of its default recipe."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np

from kdkit.contracts.vocabulary import Activation, Figure
from kdkit.errors import KdkitError, PluginError, did_you_mean
from kdkit.plugins.registry import Registry, discover
from kdkit.recipe.experiment import Experiment
from kdkit.sample import Sample
from kdkit.testing.component import ComponentContract
from kdkit.testing.miniature import load_example
from kdkit.testing.promise import MissingExampleError, attempt, does_not_apply, require


class DomainExamples(ComponentContract):
    """A domain's default recipe, its samples and what its teacher predicts for them; the base of its contract."""

    essential = ("test_activation_is_known",)
    registry: Registry | None = None
    file: Path | None = None

    @cached_property
    def plugins(self) -> Registry:
        """The components that recipes can name."""
        return self.registry or discover()

    @cached_property
    def name(self) -> str:
        """What the domain is called."""
        for name in self.plugins.names("domain"):
            try:
                if self.plugins.component("domain", name) is self.component:
                    return name
            except PluginError:
                continue
        raise MissingExampleError(
            f"no plugin offers {self.component.__name__} as a domain; install it with pip install -e ."
        )

    def check_examples(self) -> None:
        """As in the base, and the domain is registered."""
        super().check_examples()
        _ = self.name

    def test_activation_is_known(self) -> None:
        """The activation is one that kdkit knows."""
        activation = self.component.activation
        require(
            activation in get_args(Activation),
            f"activation is {activation!r}",
            "it decides how predictions are kept and what metrics and objectives receive",
            f"Set it to one of {', '.join(map(repr, get_args(Activation)))}.",
        )

    def test_default_recipe_resolves(self) -> None:
        """The default recipe, with the domain's example settings, is valid and names components that exist."""
        if self.component.activation not in get_args(Activation):
            does_not_apply("the activation is not known, which is a promise of its own")
        experiment = attempt(
            lambda: load_example(self.plugins, self.name, self.folder),
            "the default recipe does not resolve",
            f"kdkit run {self.name} begins with it",
            "Correct recipe.yaml beside the domain's module (kdkit config show prints every fault), or give "
            "example_settings() where it names files of the user's.",
        )
        known = {*experiment.metrics, *self.plugins.names("metric")}
        for attribute in ("margins", "data_metrics"):
            unknown = [name for name in getattr(self.component, attribute) if name not in known]
            require(
                not unknown,
                f"{attribute} names {', '.join(unknown)}, and no metric is called so",
                "what is said of a metric that is never measured has no effect",
                f"Name it as the recipe does; {did_you_mean(unknown[0], sorted(known))}" if unknown else "",
            )

    @cached_property
    def _experiment(self) -> Experiment:
        try:
            return load_example(self.plugins, self.name, self.folder)
        except KdkitError:
            does_not_apply("the default recipe does not resolve, which is a promise of its own")

    @cached_property
    def _samples(self) -> list[Sample]:
        return list(self._experiment.training_source.generate([0, 1]))

    def _predictions(self, samples: Sequence[Sample]) -> list[np.ndarray]:
        return predictions(self._experiment, samples)


def predictions(experiment: Experiment, samples: Sequence[Sample]) -> list[np.ndarray]:
    """The teacher's predictions for samples, as metrics and figures receive them."""
    import torch

    from kdkit.engine.inference import freeze, infer_logits
    from kdkit.store.targets import activate

    activation = experiment.domain.activation
    logits = infer_logits(freeze(experiment.teacher.build()), [s.inputs for s in samples], torch.device("cpu"))
    return [activate(one, activation) for one in logits]


def is_picture(figure: Any) -> bool:
    """Whether a figure has a title and holds an image."""
    return (
        isinstance(figure, Figure)
        and bool(figure.title.strip())
        and figure.media_type.startswith("image/")
        and isinstance(figure.data, bytes)
        and len(figure.data) > 0
    )
