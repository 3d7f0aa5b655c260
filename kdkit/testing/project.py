"""Loading a plugin from the folder of its project, without installing it."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoints import BadEntryPoint, EntryPoint

from kdkit.errors import UsageError
from kdkit.plugins.discovery import GROUP
from kdkit.plugins.registry import Plugin, Registry, discover

PYPROJECT = "pyproject.toml"


def load_project(folder: Path, environment: Mapping[str, str] = os.environ) -> tuple[Registry, list[Plugin]]:
    """The registry with the plugins of this project in it, in place of installed ones of the same name.

    Raises :class:`UsageError` when the folder holds no project of a plugin.
    """
    project = _project(folder)
    points: dict[str, str] = project.get("entry-points", {}).get(GROUP, {})
    if not points:
        raise UsageError(
            f"{folder / PYPROJECT} names no plugin", f"Add a section [project.entry-points.{GROUP}] with one line."
        )
    for text in points.values():
        _make_importable(folder, text)
    disabled = [environment.get("KDKIT_DISABLE_PLUGINS", ""), *points]
    registry = discover({**environment, "KDKIT_DISABLE_PLUGINS": ",".join(disabled)})
    plugins = []
    for name, text in points.items():
        plugin = Plugin(name, project.get("name", ""), project.get("version", ""), text, folder=folder)
        try:
            registry.add(plugin, EntryPoint.from_string(text, name).load)
        except BadEntryPoint as error:
            raise UsageError(f"the entry point {name} = {text!r} is not of the form package.module") from error
        plugins.append(plugin)
    return registry, plugins


def _project(folder: Path) -> dict[str, Any]:
    path = folder / PYPROJECT
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    except FileNotFoundError as error:
        raise UsageError(f"{folder} holds no {PYPROJECT}", "Name the folder of a plugin's project.") from error
    except ValueError as error:
        raise UsageError(f"{path} cannot be parsed: {error}") from error
    assert isinstance(project, dict)
    return project


def _make_importable(folder: Path, point: str) -> None:
    """Put the folder that holds the entry point's package first on the import path."""
    package = point.partition(":")[0].partition(".")[0].strip()
    for root in (folder, folder / "src"):
        place = str(root.resolve())
        if (root / package).is_dir() or (root / f"{package}.py").is_file():
            if place not in sys.path:
                sys.path.insert(0, place)
            return
    raise UsageError(f"{folder} holds no package {package}, which {PYPROJECT} names", "It may also lie in src/.")
