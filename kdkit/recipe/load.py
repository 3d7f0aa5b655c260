"""Reading a recipe: packaged defaults, then a file, then single settings; every fault at once."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdkit.contracts.component import Component, ComponentOptions
from kdkit.contracts.domain import Domain
from kdkit.contracts.trainable import TrainableGenerator
from kdkit.errors import Problem, RecipeError, UsageError
from kdkit.plugins.registry import Registry
from kdkit.plugins.single_file import domain_name
from kdkit.recipe.choose import Chooser
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.faults import validate
from kdkit.recipe.merge import Tree, apply_setting, merge, parse_yaml, read_yaml
from kdkit.recipe.schema import Hardware, Recipe

# What a recipe that names no objective is trained by: the one whose minimum is the teacher's own prediction.
DEFAULT_OBJECTIVES: dict[str, str] = {"sigmoid": "soft-bce", "softmax": "kl", "identity": "mse"}


def load_experiment(
    registry: Registry,
    domain: str,
    config: Path | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    missing: list[Problem] | None = None,
) -> Experiment:
    """The experiment that the domain's default recipe, ``config`` and ``settings`` (``path.to.key=value``) describe.

    ``domain``: the name of a domain, or the path of a Python file that holds one. ``config``: a YAML file, or what
    one would hold. ``missing``: a list to receive the files and folders that are not there, each as a problem; the
    experiment is then one to look at, not to run.
    Raises :class:`RecipeError` that lists every fault, or :class:`UsageError` for an unknown domain.
    A recipe without an objective gets the default one of the domain's activation.
    """
    domain = domain_name(registry, domain)
    domain_class = registry.component("domain", domain)
    assert issubclass(domain_class, Domain)
    tree = default_tree(domain_class, domain)
    if config is not None:
        tree = merge(tree, _user_tree(config, domain))
    unfit: list[Problem] = []
    # Names first: the options of a component that is chosen here belong to it, in whatever order they are set.
    for setting in sorted(settings, key=lambda text: not text.partition("=")[0].strip().endswith(".name")):
        apply_setting(tree, setting, unfit)
    given = _Given(domain, config, settings, unfit)
    problems = [*unfit]
    if tree.setdefault("domain", domain) != domain:
        problems.append(Problem("domain", f"found {tree['domain']!r}, but the command asks for {domain!r}"))
        tree["domain"] = domain
    if domain_class.activation in DEFAULT_OBJECTIVES:  # another one is told of where the domain is verified
        tree.setdefault("objective", {"name": DEFAULT_OBJECTIVES[domain_class.activation]})
    recipe = validate(Recipe, tree, "", problems)
    if recipe is None:
        Chooser(registry, problems).check(tree)
        raise RecipeError(given.source(problems), problems)
    assert isinstance(recipe, Recipe)
    chooser = Chooser(registry, problems, missing)
    experiment = chooser.experiment(domain_class, recipe)
    if chooser.broken and len(chooser.broken) == len(problems):
        raise chooser.broken[0]  # no recipe is at fault
    if problems:
        every = [*problems, *(missing or ())]
        raise RecipeError(given.source(every), every)
    return experiment


@dataclass(frozen=True)
class _Given:
    """What a recipe is made of. ``unfit``: the faults of settings that cannot be laid on anything."""

    domain: str
    config: Path | Mapping[str, Any] | None
    settings: Sequence[str]
    unfit: Sequence[Problem]

    def source(self, problems: Sequence[Problem]) -> str:
        """Where the options at fault stand: of the file and the settings those that touch one of the problems."""
        paths = [problem.path for problem in problems if problem not in self.unfit]
        sources = []
        if self.config:
            keys = read_yaml(self.config) if isinstance(self.config, Path) else self.config
            if any(path.partition(".")[0] in keys for path in paths):
                sources.append(str(self.config) if isinstance(self.config, Path) else "config")
        named = [setting.partition("=")[0].strip() for setting in self.settings]
        if self.unfit or any(_touches(name, path) for name in named for path in paths):
            sources.append("--set")
        return " and ".join(sources) or f"the default recipe of {self.domain}"


def _touches(setting: str, path: str) -> bool:
    return f"{path}.".startswith(f"{setting}.") or f"{setting}.".startswith(f"{path}.")


def load_component(registry: Registry, kind: str, name: str, settings: Sequence[str] = ()) -> Component:
    """A component by its name, with its own options as ``settings`` (``key=value``), outside of any recipe.

    Raises :class:`RecipeError` that lists every fault, or :class:`UsageError` for an unknown name.
    """
    registry.find(kind, name)
    problems: list[Problem] = []
    tree = _settings_tree(settings, problems)
    component = Chooser(registry, problems).component(kind, name, tree, name)
    if component is None or problems:
        raise RecipeError("--set" if settings else f"the options of {name}", problems)
    return component


def load_training(
    registry: Registry, name: str, settings: Sequence[str] = ()
) -> tuple[type[TrainableGenerator], ComponentOptions, Hardware]:
    """A generator that can be trained, by its name, with the options of its training and the hardware for it.

    ``settings``: ``key=value``, or ``trainer.key=value`` for the hardware. Raises :class:`RecipeError` that lists
    every fault, or :class:`UsageError` for a generator that is unknown or cannot be trained.
    """
    cls = registry.component("generator", name)
    if not issubclass(cls, TrainableGenerator):
        raise UsageError(f"the generator {name} is not one that can be trained", f"See kdkit plugins info {name}.")
    problems: list[Problem] = []
    tree = _settings_tree(settings, problems)
    hardware = validate(Hardware, tree.pop("trainer", {}), "trainer", problems)
    options = validate(cls.TrainingOptions, tree, "", problems)
    if hardware is None or options is None or problems:
        raise RecipeError("--set", problems)
    assert isinstance(options, ComponentOptions) and isinstance(hardware, Hardware)
    return cls, options, hardware


def default_tree(domain_class: type[Domain], domain: str) -> Tree:
    """The default recipe of a domain as it is written; nothing but its YAML is checked."""
    if not domain_class.recipe:
        return read_yaml(domain_class.recipe_file())
    file = getattr(sys.modules.get(domain_class.__module__), "__file__", None)
    folder = Path(file).absolute().parent if file else None
    return parse_yaml(domain_class.recipe, f"the default recipe of {domain}", folder)


def _settings_tree(settings: Sequence[str], problems: list[Problem]) -> Tree:
    tree: Tree = {}
    for setting in settings:
        apply_setting(tree, setting, problems)
    return tree


def _user_tree(config: Path | Mapping[str, Any], domain: str) -> Tree:
    tree = read_yaml(config) if isinstance(config, Path) else dict(config)
    if (name := tree.get("domain", domain)) != domain:
        problem = Problem("domain", f"found {name!r}, but the command asks for {domain!r}")
        raise RecipeError(str(config) if isinstance(config, Path) else "config", [problem])
    return tree
