"""Other valid values for the options of a component."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_ANY_KIND: tuple[Any, ...] = (1, 2, 0.5, True, False, "other")


def perturbed(options: BaseModel) -> Iterator[tuple[str, BaseModel]]:
    """For each option, its name and the options with another valid value for it alone, where one is found.

    Paths are left out: they count by the content of their file.
    """
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        for candidate in _candidates(value, field.annotation):
            other = _with(options, name, candidate)
            if other is not None and getattr(other, name) != value and not isinstance(getattr(other, name), Path):
                yield name, other
                break


def _with(options: BaseModel, name: str, value: Any) -> BaseModel | None:
    try:
        return type(options).model_validate(options.model_dump() | {name: value})
    except ValidationError:
        return None


def _candidates(value: Any, annotation: Any) -> Iterator[Any]:
    if isinstance(value, Path):
        return
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value * 2, value / 2)
    elif isinstance(value, tuple | list) and value:
        for other in _candidates(value[0], None):
            yield type(value)([other, *value[1:]])
    yield from (choice for choice in _choices(annotation) if choice != value)
    yield from _ANY_KIND


def _choices(annotation: Any) -> Iterator[Any]:
    """The members of a Literal, also inside a union."""
    for argument in get_args(annotation):
        if get_args(argument):
            yield from _choices(argument)
        elif not isinstance(argument, type):
            yield argument
