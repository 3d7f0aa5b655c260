"""Finding the entry points of the group ``kdkit`` in the metadata of installed distributions; nothing is imported."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdkit.plugins.guard import describe_error

if TYPE_CHECKING:
    import configparser

    from entrypoints import Distribution, EntryPoint

GROUP = "kdkit"


@dataclass(frozen=True)
class PluginPoint:
    """An entry point as it lies on disk.

    ``text``: what it points at, as it is written. ``point``: the same, parsed; None where it cannot be loaded, and
    ``fault`` then says why.
    """

    name: str
    distribution: str
    version: str
    text: str
    point: EntryPoint | None
    fault: str = ""

    def load(self) -> Any:
        """Import the module that the entry point names."""
        assert self.point is not None
        return self.point.load()


def plugin_points() -> list[PluginPoint]:
    """Every entry point of every installed distribution, by plugin name.

    Of a name that several distributions claim, the first one on the import path has it.
    """
    points: dict[str, PluginPoint] = {}
    for config, distribution in _metadata():
        # Folders of metadata write the name with underscores; people and pip write it with dashes.
        owner, version = distribution.name.replace("_", "-"), distribution.version or ""
        if isinstance(config, Exception):
            fault = f"its entry_points.txt cannot be read: {describe_error(config)}"
            points[f"({owner})"] = PluginPoint(owner, owner, version, "", None, fault)
            continue
        for name, text in config[GROUP].items() if GROUP in config else ():
            first = points.get(name)
            if first is None:
                points[name] = _parse(PluginPoint(name, owner, version, text, None), distribution)
            elif first.distribution != owner:
                fault = f"the plugin name {name!r} is taken by {first.distribution} {first.version}"
                points[f"{name} ({owner})"] = PluginPoint(name, owner, version, text, None, fault)
    return sorted(points.values(), key=lambda point: point.name)


def _parse(point: PluginPoint, distribution: Distribution) -> PluginPoint:
    import entrypoints

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return replace(point, point=entrypoints.EntryPoint.from_string(point.text, point.name, distribution))
    except entrypoints.BadEntryPoint:
        return replace(point, fault=f"its entry point {point.text!r} is not of the form package.module")


def _metadata() -> Iterator[tuple[configparser.ConfigParser | Exception, Distribution]]:
    """The entry points of every installed distribution; where ours cannot be parsed, the error in their place."""
    import configparser

    import entrypoints

    names = set()
    for folder in sys.path:
        try:
            files = list(entrypoints.iter_files_distros([folder]))
        except (configparser.Error, UnicodeDecodeError, OSError):
            files = _read_one_by_one(Path(folder))
        for config, distribution in files:
            # The same distribution can be met twice, through two folders of the path: the first one wins.
            if distribution.name not in names:
                yield config, distribution
            names.add(distribution.name)


def _read_one_by_one(folder: Path) -> list[tuple[Any, Distribution]]:
    """As entrypoints reads a folder, when some distribution's file in it (of whatever project) cannot be parsed."""
    import configparser

    import entrypoints

    files: list[tuple[Any, Distribution]] = []
    for path in sorted(folder.glob("*-info/entry_points.txt")):
        distribution = entrypoints.Distribution.from_name_version(path.parent.stem)
        config = entrypoints.CaseSensitiveConfigParser(delimiters=("=",))
        try:
            config.read([path])
        except (configparser.Error, UnicodeDecodeError) as error:
            if re.search(rb"^\s*\[?%s\b" % GROUP.encode(), path.read_bytes(), re.MULTILINE):
                files.append((error, distribution))
        else:
            files.append((config, distribution))
    return files
