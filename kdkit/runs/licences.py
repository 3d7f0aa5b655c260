"""Under which licence a component is, as far as its package says."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from kdkit.contracts.component import Component
from kdkit.contracts.teacher import Teacher


def licence_of(component: Component) -> str:
    """The licence of the component's package; "" where it states none, or is none.

    A package's licence says nothing of weights that lie elsewhere: "" for a teacher with such, or behind a network
    connection.
    """
    if isinstance(component, Teacher) and (component.remote or not _all_packaged(component)):
        return ""
    try:
        facts = metadata(component.origin.distribution or "no package").json
    except PackageNotFoundError:
        return ""
    return str(facts.get("license_expression") or facts.get("license") or "")


def _all_packaged(component: Component) -> bool:
    """Whether every file of a component lies in its own package."""
    package = sys.modules[type(component).__module__.partition(".")[0]]
    folders = [Path(folder).resolve() for folder in getattr(package, "__path__", [])]
    return all(any(Path(file).resolve().is_relative_to(folder) for folder in folders) for file in component.files())
