"""What pydantic finds wrong with options, in the words and at the places of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from kdkit.errors import Problem, did_you_mean
from kdkit.recipe.paths import MISSING_ALLOWED, PATH_FAULTS, UNSET
from kdkit.recipe.schema import Choice, part_of

LONGEST_VALUE = 60


def validate(
    model: type[BaseModel],
    values: Mapping[str, object],
    path: str,
    problems: list[Problem],
    hint: str = "",
    context: Mapping[str, Any] | None = None,
    missing: list[Problem] | None = None,
) -> BaseModel | None:
    """``values`` as a ``model``; None, and the faults added to ``problems``, where they are none.

    ``path``: where they stand in the recipe. ``hint``: where to read more, set behind some messages. ``missing``: a
    list to receive the paths that cannot be used, where nothing else is wrong; the model then holds them as they are.
    """
    try:
        return model.model_validate(values, context=context)
    except ValidationError as error:
        unusable = _path_problems(model, error, values, path)
        others = [p for p in _problems(model, error, values, path, hint) if p.path not in unusable]
    if others or missing is None:
        problems.extend([*unusable.values(), *others])
        return None
    options = validate(model, values, path, problems, hint, {**(context or {}), **MISSING_ALLOWED})
    if options is not None:
        missing.extend(unusable.values())
    return options


def _path_problems(
    model: type[BaseModel], error: ValidationError, values: Mapping[str, object], path: str
) -> dict[str, Problem]:
    """The paths that cannot be used, by their places."""
    problems = {}
    for fault in error.errors(include_url=False):
        if fault["type"] in PATH_FAULTS:
            keys = _keys_of(fault, values)
            where = ".".join(filter(None, [path, *keys]))
            problems[where] = Problem(where, _path_message(model, fault, keys))
    return problems


def _problems(
    model: type[BaseModel], error: ValidationError, values: Mapping[str, object], path: str, hint: str
) -> Iterator[Problem]:
    """Every other fault, one for each place; what each member of a union would have accepted stands together."""
    unfit_values: dict[str, tuple[object, list[str]]] = {}
    places = set()
    for fault in error.errors(include_url=False):
        keys = _keys_of(fault, values)
        where = ".".join(filter(None, [path, *keys]))
        places.add(where)
        if fault["type"] == "extra_forbidden":
            names = list(_model_at(model, keys[:-1]).model_fields)
            suggestion = did_you_mean(keys[-1], names) if names else "there are none here"
            yield Problem(where, f"unknown option; {suggestion}{hint}")
        elif fault["type"] == "missing":
            yield Problem(where, f"missing{hint}")
        elif fault["type"] not in PATH_FAULTS:
            unfit_values.setdefault(where, (fault.get("input"), []))[1].append(_expectation(fault))
    for where, (value, expectations) in unfit_values.items():
        if any(place.startswith(f"{where}.") for place in places):
            continue  # what another member of a union would have been; the fault lies deeper
        message = f"found {_abbreviate(value)}, expected {' or '.join(dict.fromkeys(expectations))}{hint}"
        yield Problem(where, message)


def _path_message(model: type[BaseModel], fault: Any, keys: Sequence[str]) -> str:
    """For a variable that is not set, the first sentence of the option's description says what it is to hold."""
    message: str = fault["msg"]
    field = _model_at(model, keys[:-1]).model_fields.get(keys[-1]) if keys else None
    if fault["type"] == UNSET and field is not None and field.description:
        return f"{message}: {field.description.partition('. ')[0].removesuffix('.')}"
    return message


def _keys_of(fault: Any, values: object) -> list[str]:
    """A fault's place in the values: pydantic's location without the names that it gives to members of unions."""
    keys, node = [], values
    for i, key in enumerate(fault["loc"]):
        is_key = key in node if isinstance(node, Mapping) else isinstance(node, list) and isinstance(key, int)
        if is_key:
            node = node[key]  # type: ignore[index]
        if is_key or (fault["type"] == "missing" and i == len(fault["loc"]) - 1):
            keys.append(str(key))
    return keys


def describe_fault(fault: Any) -> str:
    """One of pydantic's faults in words for whoever wrote the value, where no recipe's path says more."""
    if fault["type"] == "extra_forbidden":
        return "there is no such option"
    if fault["type"] == "missing":
        return "missing"
    if fault["type"] in PATH_FAULTS:
        return str(fault["msg"])
    return f"expected {_expectation(fault)}"


def _expectation(fault: Any) -> str:
    if fault["type"] == "model_type" and fault["ctx"]["class_name"] == Choice.__name__:
        value = fault.get("input")
        return f"a mapping such as {{name: {value if isinstance(value, str) else '...'}}}"
    if fault["type"] == "model_type":
        return "a mapping of options"
    return str(fault["msg"].removeprefix("Input should be ").removeprefix("Value error, "))


def _model_at(model: type[BaseModel], keys: Sequence[str]) -> type[BaseModel]:
    for key in keys:
        model = part_of(model.model_fields.get(key)) or model
    return model


def _abbreviate(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
