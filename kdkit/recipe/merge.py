"""The parts of a recipe as trees: YAML, one laid on another, and single settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.representer import SafeRepresenter

from kdkit.errors import Problem, RecipeError
from kdkit.recipe.paths import RecipeText

Tree = dict[str, Any]

yaml.SafeDumper.add_representer(RecipeText, SafeRepresenter.represent_str)


# A recipe has some hundreds. Aliases of aliases stand for as many as there is no time for.
MOST_VALUES = 100_000


class _TooLargeError(ValueError):
    """A text that stands for more values than anybody means."""


class _Loader(yaml.SafeLoader):
    """Plain values; every text but a key knows the ``folder`` of its file, if it has one."""

    folder: Path | None = None

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        return {str(key) if isinstance(key, RecipeText) else key: value for key, value in mapping.items()}

    def construct_text(self, node: ScalarNode) -> str:
        text = str(self.construct_scalar(node))
        return text if self.folder is None else RecipeText(text, self.folder)


_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.construct_text)


def read_yaml(path: Path) -> Tree:
    """The tree in a YAML file. Raises :class:`RecipeError` when it is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(str(path), [Problem("", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise RecipeError(str(path), [Problem("", "is not a text file in UTF-8")]) from error
    return parse_yaml(text, str(path), path.absolute().parent)


def parse_yaml(text: str, source: str, folder: Path | None) -> Tree:
    """The tree that ``text`` describes; its relative paths begin at ``folder``.

    Raises :class:`RecipeError`, which names the ``source``, when it is none.
    """
    try:
        content, problems = _parse(text, folder)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that does not exist, say
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = getattr(error, "problem", None) or "cannot be parsed"
        if isinstance(error, _TooLargeError):
            what = str(error)
        raise RecipeError(source, [Problem("", f"is not YAML: {where}{what}")]) from error
    if problems:
        raise RecipeError(source, problems)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RecipeError(source, [Problem("", f"found {_kind_of(content)}, expected a mapping of options")])
    return content


def merge(base: Any, overlay: Any) -> Any:
    """``overlay`` laid on ``base``; another component's options never mix with those of the one it replaces."""
    if not (isinstance(base, dict) and isinstance(overlay, dict)):
        return overlay
    if "name" in overlay and overlay["name"] != base.get("name", overlay["name"]):
        return overlay
    return base | {key: merge(base[key], value) if key in base else value for key, value in overlay.items()}


def apply_setting(tree: Tree, setting: str, problems: list[Problem]) -> None:
    """Lay ``path.to.key=value`` on ``tree``; a number in the path means an entry of a list."""
    path, equals, text = setting.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        problems.append(Problem(setting, "expected path.to.key=value"))
        return
    value, repetitions = _parse_value(text)
    if repetitions:
        problems.extend(Problem(".".join([*keys, repetition.path]), "given twice") for repetition in repetitions)
        return
    if keys[0] == "objective" and keys[1:2] and keys[1].isdigit() and isinstance(tree.get("objective"), dict):
        tree["objective"] = [tree["objective"]]  # one alone is written without a list
    try:
        tree.update(_set(tree, keys, value, ""))
    except _SettingError as error:
        problems.append(error.problem)


class _SettingError(Exception):
    """A setting whose place is not there."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(path, message)


def _set(node: Any, keys: Sequence[str], value: Any, path: str) -> Any:
    """``node`` with ``value`` laid on what stands at ``keys`` in it; ``path``: where ``node`` itself stands."""
    if not keys:
        return merge(node, value)
    key, rest = keys[0], keys[1:]
    child_path = f"{path}.{key}" if path else key
    if isinstance(node, list):
        index = _index(node, key, path)
        return [*node[:index], _set(node[index], rest, value, child_path), *node[index + 1 :]]
    if isinstance(node, dict):
        if key == "name" and not rest:
            return merge(node, {key: value})
        return node | {key: _set(node.get(key), rest, value, child_path)}
    if node is None:
        return {key: _set(None, rest, value, child_path)}
    raise _SettingError(child_path, f"{path} is {node!r} and holds nothing to set; set {path} as a whole")


def _index(entries: list[Any], key: str, path: str) -> int:
    if key.isdecimal() and int(key) < len(entries):
        return int(key)
    count = len(entries)
    numbers = {0: "no entries", 1: "1 entry, number 0"}.get(count, f"{count} entries, 0 to {count - 1}")
    raise _SettingError(f"{path}.{key}", f"{path} has {numbers}")


def _parse_value(text: str) -> tuple[Any, list[Problem]]:
    """The value of a setting, a plain text where it is not YAML, and the keys in it that are given twice."""
    try:
        return _parse(text, None)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text, []


def _parse(text: str, folder: Path | None) -> tuple[Any, list[Problem]]:
    """What a YAML text holds, and the keys in it that are given twice."""
    loader = _Loader(text)
    loader.folder = folder
    try:
        node = loader.get_single_node()
        if _size(node, {}) > MOST_VALUES:
            raise _TooLargeError(f"its aliases stand for more than {MOST_VALUES} values")
        problems = list(_repetitions(node, "", set()))
        return None if node is None else loader.construct_document(node), problems
    finally:
        loader.dispose()


def _size(node: Node | None, known: dict[int, int]) -> int:
    """How many values a node stands for, each alias with all that it repeats; ``known``: of nodes, by identity."""
    if not isinstance(node, SequenceNode | MappingNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0  # an alias may lead back to itself
        parts = node.value if isinstance(node, SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _repetitions(node: Node | None, path: str, visited: set[int]) -> Iterator[Problem]:
    """Each key of a mapping that stands in it before, with both lines."""
    if node is None or id(node) in visited:  # an alias may lead back to itself
        return
    visited.add(id(node))
    if isinstance(node, SequenceNode):
        for i, entry in enumerate(node.value):
            yield from _repetitions(entry, f"{path}.{i}" if path else str(i), visited)
    if not isinstance(node, MappingNode):
        return
    lines: dict[tuple[str, str], int] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            continue
        line, key_path = key.start_mark.line + 1, f"{path}.{key.value}" if path else key.value
        if (key.tag, key.value) in lines:
            yield Problem(key_path, f"given twice, on {_lines(lines[key.tag, key.value], line)}")
        lines.setdefault((key.tag, key.value), line)
        yield from _repetitions(value, key_path, visited)


def _lines(first: int, second: int) -> str:
    return f"line {first}" if first == second else f"lines {first} and {second}"


def _kind_of(value: object) -> str:
    if isinstance(value, str):
        return "a plain text"
    return "a list" if isinstance(value, list) else type(value).__name__
