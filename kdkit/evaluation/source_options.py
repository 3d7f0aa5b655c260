"""Options of the source that reads a user's data, as ``--set`` gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from kdkit.contracts.generator import Generator
from kdkit.errors import UsageError, did_you_mean
from kdkit.recipe.faults import describe_fault


def with_options(source: Generator, settings: Sequence[str]) -> tuple[Generator, dict[str, Any]]:
    """The source with ``key=value`` each laid over its options, and those options as plain values.

    Raises :class:`UsageError` for an option that the source does not have, or a value that it cannot take.
    """
    if not settings:
        return source, {}
    values = dict(map(_parse, settings))
    options_class = type(source.options)
    try:
        options = options_class.model_validate(source.options.model_dump() | values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = ".".join(map(str, fault["loc"]))
        unknown = fault["type"] == "extra_forbidden"
        reason = did_you_mean(name, list(options_class.model_fields)) if unknown else describe_fault(fault)
        raise UsageError(f"the data cannot be read with {name}: {reason}") from error
    chosen = type(source)(options, source.seed)
    dumped = options.model_dump(mode="json")
    return chosen, {key: dumped[key] for key in values}


def _parse(setting: str) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {setting} is not KEY=VALUE")
    try:
        return key.strip(), yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"--set {setting}: the value cannot be read") from error
