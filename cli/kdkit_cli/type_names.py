"""Types of options in words."""

from __future__ import annotations

import types
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_WORDS: dict[Any, str] = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}


def type_in_words(annotation: Any, metadata: list[Any] | None = None) -> str:
    """An option's type for people: "integer, at least 1", "one of a, b, or null", "path of a file"."""
    limits = [_LIMITS[name].format(value) for item in metadata or [] for name, value in _limits_of(item)]
    return ", ".join([_metadata_in_words(metadata or []) or _annotation_in_words(annotation), *limits])


_LIMITS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}", "min_length": "{} or more"}


def _limits_of(item: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(item, name)) for name in _LIMITS if getattr(item, name, None) is not None]


def _metadata_in_words(metadata: Iterable[Any]) -> str:
    """What a type's annotation says of itself: kdkit's and pydantic's paths do."""
    kinds = {"file": "path of a file", "dir": "path of a folder"}
    words = (getattr(item, "in_words", "") or kinds.get(getattr(item, "path_type", ""), "") for item in metadata)
    return next(filter(None, words), "")


def _annotation_in_words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if origin is Annotated:
        return _metadata_in_words(arguments[1:]) or _annotation_in_words(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_annotation_in_words(argument) for argument in arguments)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (list, tuple, set):
        inner = list(
            dict.fromkeys(_annotation_in_words(argument) for argument in arguments if argument is not Ellipsis)
        )
        return f"list of {' or '.join(inner)}"
    if annotation is Path:
        return "path"
    return getattr(annotation, "in_words", "") or getattr(annotation, "__name__", str(annotation))
