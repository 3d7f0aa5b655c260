"""Reading a recipe: packaged defaults, then a file, then single settings; every fault at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from kdkit.contracts.component import Component, ComponentOptions
from kdkit.contracts.domain import Domain
from kdkit.errors import PluginError, Problem, RecipeError, UsageError, did_you_mean
from kdkit.experiment import Experiment
from kdkit.plugins import Registry
from kdkit.recipe.schema import Choice, Recipe

Tree = dict[str, Any]


def load_experiment(
    registry: Registry, domain: str, config: Path | None = None, settings: Sequence[str] = ()
) -> Experiment:
    """The experiment that the domain's default recipe, ``config`` and ``settings`` (``path.to.key=value``) describe.

    Raises :class:`RecipeError` that lists every fault, or :class:`UsageError` for an unknown domain.
    """
    domain_class = registry.component("domain", domain)
    assert issubclass(domain_class, Domain)
    tree = _read_yaml(domain_class.default_recipe())
    if config is not None:
        tree = _merged(tree, _user_file(config, domain))
    source = str(config) if config else ("--set" if settings else f"the default recipe of {domain}")
    problems: list[Problem] = []
    for setting in settings:
        _apply_setting(tree, setting, problems)
    tree["domain"] = domain
    recipe = _validated(Recipe, tree, "", problems)
    if recipe is None:
        # Faults of component options are looked for all the same, so that the user sees them in one go.
        _check_choices(registry, tree, problems)
        raise RecipeError(source, problems)
    assert isinstance(recipe, Recipe)
    experiment = _resolve(registry, domain_class, recipe, problems)
    if problems:
        raise RecipeError(source, problems)
    return experiment


def _read_yaml(path: Path) -> Tree:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(str(path), [Problem("", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise RecipeError(str(path), [Problem("", "is not a text file in UTF-8")]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = getattr(error, "problem", None) or "cannot be parsed"
        raise RecipeError(str(path), [Problem("", f"is not YAML: {where}{what}")]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RecipeError(str(path), [Problem("", f"found {_kind_of(content)}, expected a mapping of options")])
    return content


def _user_file(path: Path, domain: str) -> Tree:
    tree = _read_yaml(path)
    named = tree.get("domain", domain)
    if named != domain:
        problem = Problem("domain", f"found {named!r}, but the command asks for {domain!r}")
        raise RecipeError(str(path), [problem])
    return tree


def _merged(base: Any, over: Any) -> Any:
    """``over`` laid on ``base``; another component's options never mix with those of the one it replaces."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    if "name" in over and over["name"] != base.get("name", over["name"]):
        return over
    return base | {key: _merged(base[key], value) if key in base else value for key, value in over.items()}


def _apply_setting(tree: Tree, setting: str, problems: list[Problem]) -> None:
    path, equals, text = setting.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        problems.append(Problem(setting, "expected path.to.key=value"))
        return
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    over: Any = value
    for key in reversed(keys):
        over = {key: over}
    target = _merged(tree, over)
    tree.clear()
    tree.update(target)


def _resolve(registry: Registry, domain_class: type[Domain], recipe: Recipe, problems: list[Problem]) -> Experiment:
    """The components of a recipe whose shape is right."""

    def made(kind: str, choice: Choice | str, path: str, **more: Any) -> Any:
        if isinstance(choice, str):
            choice = Choice(name=choice)
        return _component(registry, kind, choice.name, choice.given_options, path, problems, **more)

    seed = recipe.seed
    evaluation = recipe.evaluation
    metrics = {}
    for i, metric in enumerate(evaluation.metrics):
        name = metric if isinstance(metric, str) else metric.name
        metrics[name] = made("metric", metric, f"evaluation.metrics.{i}")
    return Experiment(
        recipe=recipe,
        domain=domain_class(),
        generator=made("generator", recipe.generator, "generator", seed=seed),
        teacher=made("teacher", recipe.teacher, "teacher"),
        student=made("student", recipe.student, "student"),
        objective=made("objective", recipe.objective, "objective"),
        metrics=metrics,
        evaluation_generator=made("generator", evaluation.generator, "evaluation.generator", seed=seed)
        if evaluation.generator
        else None,
        control_generator=made("generator", recipe.control.generator, "control.generator", seed=seed)
        if recipe.control
        else None,
    )


_PLACES = {"generator": "generator", "teacher": "teacher", "student": "student", "objective": "objective"}


def _check_choices(registry: Registry, tree: Tree, problems: list[Problem]) -> None:
    for path, kind in _PLACES.items():
        choice = tree.get(path)
        if isinstance(choice, dict) and isinstance(choice.get("name"), str):
            options = {k: v for k, v in choice.items() if k != "name"}
            _component(registry, kind, choice["name"], options, path, problems)


def _component(
    registry: Registry,
    kind: str,
    name: str,
    given: Mapping[str, object],
    path: str,
    problems: list[Problem],
    **more: Any,
) -> Component | None:
    try:
        cls = registry.component(kind, name)
    except UsageError as error:
        unknown = f"there is no {kind} {name!r}; {did_you_mean(name, registry.names(kind))}"
        problems.append(Problem(path, unknown + (f" ({error.remedy})" if error.remedy else "")))
        return None
    except PluginError as error:
        problems.append(Problem(path, str(error)))
        return None
    options = _validated(cls.Options, given, path, problems, f"   (kdkit plugins info {name})")
    if options is None:
        return None
    assert isinstance(options, ComponentOptions)
    return cls(options, **more)


def _validated(
    model: type[BaseModel], given: Mapping[str, object], path: str, problems: list[Problem], hint: str = ""
) -> BaseModel | None:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems.extend(_problem(model, fault, path, hint) for fault in error.errors(include_url=False))
        return None


def _problem(model: type[BaseModel], fault: Any, path: str, hint: str) -> Problem:
    # Members of unions appear in pydantic's location as type names; they mean nothing to the reader.
    keys = [str(key) for key in fault["loc"] if isinstance(key, int) or str(key).isidentifier()]
    where = ".".join(filter(None, [path, *keys]))
    kind, found = fault["type"], fault.get("input")
    if kind == "extra_forbidden":
        known = list(_model_at(model, keys[:-1]).model_fields)
        return Problem(where, f"unknown option; {did_you_mean(keys[-1], known)}{hint}")
    if kind == "missing":
        return Problem(where, f"missing{hint}")
    if kind in ("path_not_file", "path_not_directory"):
        wanted = "file" if kind == "path_not_file" else "folder"
        exists = Path(str(found)).exists()
        return Problem(where, f"{found} is not a {wanted}" if exists else f"{found} does not exist")
    message = fault["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Problem(where, f"found {_shown(found)}, expected {message}{hint}")


def _model_at(model: type[BaseModel], keys: Sequence[str]) -> type[BaseModel]:
    for key in keys:
        field = model.model_fields.get(key)
        inner = getattr(field, "annotation", None)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return model


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind_of(value: object) -> str:
    return {"list": "a list", "str": "a plain text"}.get(type(value).__name__, type(value).__name__)
