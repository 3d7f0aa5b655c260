"""Writing a resolved recipe down: every option with its value, and on request its meaning as a comment."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel

from kdkit.contracts.component import Component
from kdkit.experiment import Experiment
from kdkit.recipe.schema import Choice, Recipe


def resolved_tree(experiment: Experiment) -> dict[str, Any]:
    """The recipe with every default filled in, as plain values that YAML and JSON can hold."""
    tree = experiment.recipe.model_dump(mode="json")
    for path, component in experiment.placed().items():
        parent, _, last = path.rpartition(".")
        node = tree
        for key in filter(None, parent.split(".")):
            node = node[int(key)] if isinstance(node, list) else node[key]
        options = component.options.model_dump(mode="json")
        chosen = {"name": _name_at(node, last), **options}
        if isinstance(node, list):
            node[int(last)] = chosen if options else chosen["name"]
        else:
            node[last] = chosen
    return tree


def commented_yaml(experiment: Experiment) -> str:
    """The resolved recipe as YAML, each option preceded by a comment that says what it means."""
    placed = experiment.placed()
    lines: list[str] = []

    def write(tree: dict[str, Any], model: type[BaseModel], indent: str, path: str) -> None:
        for key, value in tree.items():
            here = f"{path}.{key}" if path else key
            field = model.model_fields.get(key)
            if field is not None and field.description and not (indent and key == "name"):
                lines.append(f"{indent}# {field.description}")
            if isinstance(value, dict):
                lines.append(f"{indent}{key}:")
                write(value, _inner_model(field, placed.get(here)), indent + "  ", here)
            else:
                lines.append(f"{indent}{key}: {_scalar(value)}")

    write(resolved_tree(experiment), Recipe, "", "")
    return "\n".join(lines) + "\n"


def _inner_model(field: Any, component: Component | None) -> type[BaseModel]:
    if component is not None:
        return component.Options
    for candidate in (getattr(field, "annotation", None), *getattr(field.annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return Choice


def _name_at(node: Any, key: str) -> str:
    value = node[int(key)] if isinstance(node, list) else node[key]
    return value if isinstance(value, str) else value["name"]


def _scalar(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("...").rstrip("\n")
