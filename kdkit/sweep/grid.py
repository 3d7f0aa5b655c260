"""The grid of a sweep: paths of the recipe, the values that each takes, and their combinations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import yaml

from kdkit.errors import Problem


@dataclass(frozen=True)
class Axis:
    """A dotted path of the recipe and its values, each as it would be written after ``--set PATH=``."""

    path: str
    values: tuple[str, ...]


def read_axis(text: str, problems: list[Problem]) -> Axis | None:
    """``path=v1,v2`` as an axis. Commas within brackets or quotes belong to a value, as in YAML."""
    path, equals, listing = (part.strip() for part in text.partition("="))
    if not equals or not all(path.split(".")):
        problems.append(Problem(text, "expected path.to.key=value,value"))
        return None
    sequence = f"[{listing}]"
    try:
        node = yaml.compose(sequence, yaml.SafeLoader)
    except yaml.YAMLError:
        node = None
    if not isinstance(node, yaml.SequenceNode) or node.end_mark.index != len(sequence):
        problems.append(Problem(path, f"{listing!r} is no list of values, such as 1,2,3"))
        return None
    # Cut out of the text, not read and written again: each value then means what it means after --set.
    values = tuple(sequence[v.start_mark.index : v.end_mark.index].strip() for v in node.value)
    if not values or "" in values:
        problems.append(Problem(path, "a value is missing"))
        return None
    problems.extend(Problem(path, f"{v} is listed twice") for v, count in Counter(values).items() if count > 1)
    return Axis(path, values)


def read_grid(texts: Sequence[str], problems: list[Problem]) -> list[Axis]:
    """Each ``path=v1,v2`` as an axis; faults are added to ``problems``."""
    axes = [axis for text in texts if (axis := read_axis(text, problems))]
    counts = Counter(axis.path for axis in axes)
    problems.extend(Problem(path, "is in the grid twice") for path, count in counts.items() if count > 1)
    return axes


def declared_grid(grid: Mapping[str, Sequence[Any]]) -> list[Axis]:
    """The grid that a domain declares."""
    return [Axis(path, tuple(json.dumps(value) for value in values)) for path, values in grid.items()]


def combinations(axes: Sequence[Axis]) -> Iterator[dict[str, str]]:
    """Every combination, the last axis changing fastest: path to value."""
    for values in product(*(axis.values for axis in axes)):
        yield {axis.path: value for axis, value in zip(axes, values, strict=True)}


def short_names(axes: Sequence[Axis]) -> dict[str, str]:
    """The last key of each path that takes several values, or the whole path where two end alike."""
    varied_paths = [axis.path for axis in axes if len(axis.values) > 1] or [axis.path for axis in axes]
    counts = Counter(path.rpartition(".")[2] for path in varied_paths)
    return {path: last if counts[last := path.rpartition(".")[2]] == 1 else path for path in varied_paths}


def strip_quotes(value: str) -> str:
    """A value of the grid as people read it, without the quotes that YAML or JSON needs."""
    return value.strip("\"'")
