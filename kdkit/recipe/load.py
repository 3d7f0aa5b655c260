"""Reading a recipe: packaged defaults, then a file, then single settings; every fault at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from kdkit.contracts.component import Component, ComponentOptions
from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.trainable import TrainableGenerator
from kdkit.errors import PluginError, Problem, RecipeError, UsageError, did_you_mean
from kdkit.plugins.choice import ComponentChoice
from kdkit.plugins.registry import Registry
from kdkit.plugins.single_file import domain_name
from kdkit.recipe.experiment import Experiment, Term
from kdkit.recipe.fitting import misfits
from kdkit.recipe.schema import Choice, Hardware, Recipe, part_of

Tree = dict[str, Any]
# A plugin's own kind of path raises "path_unusable", with a message that says all.
PATH_FAULTS = ("path_not_file", "path_not_directory", "path_unusable")


def load_experiment(
    registry: Registry,
    domain: str,
    config: Path | None = None,
    settings: Sequence[str] = (),
    absent: list[Problem] | None = None,
) -> Experiment:
    """The experiment that the domain's default recipe, ``config`` and ``settings`` (``path.to.key=value``) describe.

    ``domain``: the name of a domain, or the path of a Python file that holds one. ``absent``: a list to receive the
    files and folders that are not there, each as a problem; the experiment is then one to look at, not to run.
    Raises :class:`RecipeError` that lists every fault, or :class:`UsageError` for an unknown domain.
    """
    domain = domain_name(registry, domain)
    domain_class = registry.component("domain", domain)
    assert issubclass(domain_class, Domain)
    tree = default_tree(domain_class, domain)
    if config is not None:
        tree = _merged(tree, _user_file(config, domain))
    given = [str(config)] if config else []
    source = " and ".join([*given, "--set"] if settings else given) or f"the default recipe of {domain}"
    problems: list[Problem] = []
    # Names first: the options of a component that is chosen here belong to it, in whatever order they are set.
    for setting in sorted(settings, key=lambda text: not text.partition("=")[0].strip().endswith(".name")):
        _apply_setting(tree, setting, problems)
    if tree.setdefault("domain", domain) != domain:
        problems.append(Problem("domain", f"found {tree['domain']!r}, but the command asks for {domain!r}"))
        tree["domain"] = domain
    recipe = _validated(Recipe, tree, "", problems)
    if recipe is None:
        # Faults of component options are looked for all the same, so that the user sees them in one go.
        _check_choices(registry, tree, problems)
        raise RecipeError(source, problems)
    assert isinstance(recipe, Recipe)
    experiment = _resolve(registry, domain_class, recipe, problems, absent)
    if problems:
        raise RecipeError(source, problems)
    return experiment


def load_component(registry: Registry, kind: str, name: str, settings: Sequence[str] = ()) -> Component:
    """A component by its name, with its own options as ``settings`` (``key=value``), outside of any recipe.

    Raises :class:`RecipeError` that lists every fault, or :class:`UsageError` for an unknown name.
    """
    registry.find(kind, name)
    tree: Tree = {}
    problems: list[Problem] = []
    for setting in settings:
        _apply_setting(tree, setting, problems)
    component = _component(registry, kind, name, tree, name, problems)
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
    tree: Tree = {}
    problems: list[Problem] = []
    for setting in settings:
        _apply_setting(tree, setting, problems)
    chosen = tree.pop("trainer", {})
    hardware = _validated(Hardware, chosen, "trainer", problems)
    options = _validated(cls.TrainingOptions, tree, "", problems)
    if hardware is None or options is None or problems:
        raise RecipeError("--set", problems)
    assert isinstance(options, ComponentOptions) and isinstance(hardware, Hardware)
    return cls, options, hardware


def default_tree(domain_class: type[Domain], domain: str) -> Tree:
    """The default recipe of a domain as it is written, nothing of it checked."""
    if domain_class.recipe:
        return _parsed(domain_class.recipe, f"the default recipe of {domain}")
    return _read_yaml(domain_class.recipe_file())


def _read_yaml(path: Path) -> Tree:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(str(path), [Problem("", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise RecipeError(str(path), [Problem("", "is not a text file in UTF-8")]) from error
    return _parsed(text, str(path))


def _parsed(text: str, source: str) -> Tree:
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist, say
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = getattr(error, "problem", None) or "cannot be parsed"
        raise RecipeError(source, [Problem("", f"is not YAML: {where}{what}")]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RecipeError(source, [Problem("", f"found {_kind_of(content)}, expected a mapping of options")])
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
    except (yaml.YAMLError, ValueError):
        value = text
    over: Any = value
    for key in reversed(keys):
        over = {key: over}
    target = _merged(tree, over)
    tree.clear()
    tree.update(target)


def _resolve(
    registry: Registry,
    domain_class: type[Domain],
    recipe: Recipe,
    problems: list[Problem],
    absent: list[Problem] | None,
) -> Experiment:
    """The components of a recipe whose shape is right."""

    def made(kind: str, choice: Choice | str, path: str, **more: Any) -> Any:
        if isinstance(choice, str):
            choice = Choice(name=choice)
        return _component(registry, kind, choice.name, choice.given_options, path, problems, absent, **more)

    seed = recipe.seed
    evaluation = recipe.evaluation
    metrics = {}
    for i, metric in enumerate(evaluation.metrics):
        name, path = metric if isinstance(metric, str) else metric.name, f"evaluation.metrics.{i}"
        if name in metrics:
            problems.append(Problem(path, f"{name} is listed twice"))
        metrics[name] = made("metric", metric, path)
    terms = [
        Term(choice.name, getattr(choice, "weight", 1.0), made("objective", choice, path))
        for path, choice in _objectives(recipe.objective)
    ]
    experiment = Experiment(
        recipe=recipe,
        domain=domain_class(),
        domain_file=registry.find("domain", recipe.domain)[0].file,
        generator=made("generator", recipe.generator, "generator", seed=seed),
        teacher=made("teacher", recipe.teacher, "teacher"),
        student=made("student", recipe.student, "student"),
        terms=terms,
        metrics=metrics,
        evaluation_generator=made("generator", evaluation.generator, "evaluation.generator", seed=seed)
        if evaluation.generator
        else None,
        control_generator=made("generator", recipe.control.generator, "control.generator", seed=seed)
        if recipe.control
        else None,
    )
    for component in experiment.components().values():
        if isinstance(component, Generator) and component.needs_gradients and experiment.teacher is not None:
            component.bind(experiment.teacher)
    problems.extend(misfits(experiment))
    return experiment


def _objectives(chosen: Any) -> list[tuple[str, Any]]:
    """Each objective with its path, of one choice or of a list of them."""
    if isinstance(chosen, list):
        return [(f"objective.{i}", choice) for i, choice in enumerate(chosen)]
    return [("objective", chosen)]


def _check_choices(registry: Registry, tree: Tree, problems: list[Problem]) -> None:
    evaluation, control = (tree[key] if isinstance(tree.get(key), dict) else {} for key in ("evaluation", "control"))
    metrics = evaluation.get("metrics")
    places = [(kind, kind, tree.get(kind)) for kind in ("generator", "teacher", "student")]
    places += [(path, "objective", choice) for path, choice in _objectives(tree.get("objective"))]
    for i, metric in enumerate(metrics if isinstance(metrics, list) else []):
        places.append((f"evaluation.metrics.{i}", "metric", {"name": metric} if isinstance(metric, str) else metric))
    places.append(("evaluation.generator", "generator", evaluation.get("generator")))
    places.append(("control.generator", "generator", control.get("generator")))
    for path, kind, choice in places:
        if isinstance(choice, dict) and isinstance(choice.get("name"), str):
            reserved = {"name", "weight"} if path.startswith("objective.") else {"name"}
            options = {k: v for k, v in choice.items() if k not in reserved}
            _component(registry, kind, choice["name"], options, path, problems)


def _component(
    registry: Registry,
    kind: str,
    name: str,
    given: Mapping[str, object],
    path: str,
    problems: list[Problem],
    absent: list[Problem] | None = None,
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
    installed = registry.find(kind, name)[0].file is None
    hint = f"   (kdkit plugins info {name})" if installed else ""
    # Components among the options are looked at first, by themselves: their faults are told like any component's.
    faulty, own = [], list[Problem]()
    for where, among, choice in _components_among(cls.Options, given, path):
        if _component(registry, among, choice.name, choice.given_options, where, problems) is None:
            faulty.append(where)
    options = _validated(cls.Options, given, path, own, hint, {"registry": registry})
    if options is None and absent is not None and not faulty:
        options = _with_absent_paths(cls.Options, given, {"registry": registry})
        if options is not None:
            absent.extend(own)
            own.clear()
    problems.extend(p for p in own if not any(f"{p.path}.".startswith(f"{where}.") for where in faulty))
    if options is None:
        return None
    assert isinstance(options, ComponentOptions)
    return cls(options, **more)


def _components_among(
    options: type[BaseModel], given: Mapping[str, object], path: str
) -> Iterator[tuple[str, str, Choice]]:
    """Each component that is chosen as an option: its path, kind and choice; validation finds what is no choice."""
    for name, field in options.model_fields.items():
        part = part_of(field)
        if part is not None and issubclass(part, ComponentChoice):
            value, where = given.get(name), f"{path}.{name}"
            places = (
                [(f"{where}.{i}", v) for i, v in enumerate(value)] if isinstance(value, list) else [(where, value)]
            )
            for place, choice in places:
                if isinstance(choice, Mapping) and isinstance(choice.get("name"), str):
                    yield place, part.kind, Choice.model_validate(choice)


def _validated(
    model: type[BaseModel],
    given: Mapping[str, object],
    path: str,
    problems: list[Problem],
    hint: str = "",
    context: Mapping[str, Any] | None = None,
) -> BaseModel | None:
    try:
        return model.model_validate(given, context=context)
    except ValidationError as error:
        problems.extend(_problems(model, error, given, path, hint))
        return None


def _with_absent_paths(
    model: type[BaseModel], given: Mapping[str, object], context: Mapping[str, Any]
) -> BaseModel | None:
    """The options with every path that cannot be used as it is written; None where there is any other fault.

    Whatever needs such a path to be there is checked with one that is: this module's folder, or its file.
    """
    stand_ins: dict[str, Path] = {}
    here = Path(__file__)
    for stand_in in (here.parent, here, None):
        try:
            options = model.model_validate({**given, **stand_ins}, context=context)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                keys = _keys_of(fault, given)
                if fault["type"] not in PATH_FAULTS or len(keys) != 1 or stand_in is None:
                    return None
                stand_ins[keys[0]] = stand_in
        else:
            return options.model_copy(update={key: Path(str(given[key])) for key in stand_ins})
    return None


def _problems(
    model: type[BaseModel], error: ValidationError, given: Mapping[str, object], path: str, hint: str
) -> Iterator[Problem]:
    """One problem for each place; what each member of a union would have accepted is told together."""
    expected: dict[str, tuple[object, list[str]]] = {}
    places = set()
    for fault in error.errors(include_url=False):
        keys = _keys_of(fault, given)
        where = ".".join(filter(None, [path, *keys]))
        places.add(where)
        kind, found = fault["type"], fault.get("input")
        if kind == "extra_forbidden":
            known = list(_model_at(model, keys[:-1]).model_fields)
            near = did_you_mean(keys[-1], known) if known else "there are none here"
            yield Problem(where, f"unknown option; {near}{hint}")
        elif kind == "missing":
            yield Problem(where, f"missing{hint}")
        elif kind in PATH_FAULTS and kind != "path_unusable":
            wanted = "file" if kind == "path_not_file" else "folder"
            exists = Path(str(found)).exists()
            yield Problem(where, f"{found} is not a {wanted}" if exists else f"{found} does not exist")
        elif kind == "path_unusable":
            yield Problem(where, fault["msg"])
        else:
            expected.setdefault(where, (found, []))[1].append(_expected(fault))
    for where, (found, wanted_here) in expected.items():
        if any(place.startswith(f"{where}.") for place in places):
            continue  # what another member of a union would have been; the fault lies deeper
        yield Problem(where, f"found {_shown(found)}, expected {' or '.join(dict.fromkeys(wanted_here))}{hint}")


def _keys_of(fault: Any, given: object) -> list[str]:
    """A fault's place in what was given: pydantic's location without the names that it gives to members of unions."""
    keys, at = [], given
    for i, key in enumerate(fault["loc"]):
        inside = key in at if isinstance(at, Mapping) else isinstance(at, list) and isinstance(key, int)
        if inside:
            at = at[key]  # type: ignore[index]
        if inside or (fault["type"] == "missing" and i == len(fault["loc"]) - 1):
            keys.append(str(key))
    return keys


def _expected(fault: Any) -> str:
    if fault["type"] == "model_type" and fault["ctx"]["class_name"] == Choice.__name__:
        found = fault.get("input")
        return f"a mapping such as {{name: {found if isinstance(found, str) else '...'}}}"
    if fault["type"] == "model_type":
        return "a mapping of options"
    return str(fault["msg"].removeprefix("Input should be ").removeprefix("Value error, "))


def _model_at(model: type[BaseModel], keys: Sequence[str]) -> type[BaseModel]:
    for key in keys:
        model = part_of(model.model_fields.get(key)) or model
    return model


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind_of(value: object) -> str:
    return {"list": "a list", "str": "a plain text"}.get(type(value).__name__, type(value).__name__)
