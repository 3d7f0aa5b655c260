"""Writing a resolved recipe down: every option with its value, and on request its meaning as a comment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from kdkit.errors import Problem
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.schema import Recipe, part_of


def commented_yaml(experiment: Experiment, notes: Sequence[Problem] = ()) -> str:
    """The resolved recipe as YAML, each option preceded by a comment that says what it means.

    ``notes``: what is to be said of single options, each as a comment right before its option.
    """
    components = experiment.components()
    comments = {note.path: note.message for note in notes}
    lines: list[str] = []

    def write(tree: dict[str, Any], model: type[BaseModel], indent: str, path: str) -> None:
        for key, value in tree.items():
            value_path = f"{path}.{key}" if path else key
            field = model.model_fields.get(key)
            if field is not None and field.description and not (indent and key == "name"):
                lines.extend(f"{indent}# {line}".rstrip() for line in field.description.splitlines())
            if value_path in comments:
                lines.append(f"{indent}# note: {comments.pop(value_path)}")
            inner = components[value_path].Options if value_path in components else part_of(field)
            if isinstance(value, dict) and inner is not None:
                lines.append(f"{indent}{_inline(key)}:")
                write(value, inner, indent + "  ", value_path)
            else:
                lines.append(f"{indent}{_inline(key)}: {_inline(value)}")

    write(experiment.resolved_tree(), Recipe, "", "")
    # What stands inside a list has no line of its own.
    lines.extend(f"# note: {path}: {message}" for path, message in comments.items())
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, str) and "\n" in value:
        return json.dumps(value)  # YAML reads it, and it stays on its line
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("...").rstrip("\n")
