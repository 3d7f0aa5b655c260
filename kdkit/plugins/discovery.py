"""Finding the entry points of the group ``kdkit`` in the metadata of installed distributions; nothing is imported."""

from __future__ import annotations

import glob
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
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
    ``fault`` then says why and ``remedy`` what to do, where that is not the ordinary one.
    """

    name: str
    distribution: str
    version: str
    text: str
    point: EntryPoint | None
    fault: str = ""
    remedy: str = ""

    def load(self) -> Any:
        """Import the module that the entry point names."""
        assert self.point is not None
        return self.point.load()


def plugin_points(preferred: Sequence[str] = ()) -> list[PluginPoint]:
    """Every entry point of every installed distribution, by plugin name, the preferred ones first.

    Of a name that several distributions claim, the preferred one has it, else the first one on the import path.
    ``preferred``: names of plugins or distributions.
    """
    points: dict[str, PluginPoint] = {}

    def rank(name: str) -> int:
        return next((place for place, one in enumerate(preferred) if is_named(name, one)), len(preferred))

    for folder, config, distribution in sorted(_metadata(), key=lambda found: rank(found[2].name)):
        # Folders of metadata write the name with underscores; people and pip write it with dashes.
        owner, version = distribution.name.replace("_", "-"), distribution.version or ""
        if isinstance(config, _Leftover):
            fault, remedy = config.fault(), f"Delete {_metadata_folder(folder, distribution)}"
            points[f"({owner} {version})"] = PluginPoint(owner, owner, version, "", None, fault, remedy)
            continue
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
                remedy = f"pip uninstall {owner}, or set KDKIT_PREFER_PLUGINS={owner} to have this one instead"
                points[f"{name} ({owner})"] = PluginPoint(name, owner, version, text, None, fault, remedy)
    return sorted(points.values(), key=lambda point: (min(rank(point.name), rank(point.distribution)), point.name))


def is_named(distribution: str, name: str) -> bool:
    """Whether a distribution is called so, in whatever spelling."""
    return _normalised(distribution) == _normalised(name)


def _parse(point: PluginPoint, distribution: Distribution) -> PluginPoint:
    import entrypoints

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return replace(point, point=entrypoints.EntryPoint.from_string(point.text, point.name, distribution))
    except entrypoints.BadEntryPoint:
        return replace(point, fault=f"its entry point {point.text!r} is not of the form package.module")


@dataclass(frozen=True)
class _Leftover:
    """Metadata that no installed code stands behind. ``kept``: the version that is installed in its place."""

    kept: str = ""

    def fault(self) -> str:
        if self.kept:
            return f"its metadata are left over: version {self.kept} of it is installed in the same place and counts"
        return "pip left it behind when an installation was cut off; it is not installed"


def _metadata() -> Iterator[tuple[str, configparser.ConfigParser | Exception | _Leftover, Distribution]]:
    """The folder and the entry points of every installed distribution; what is in their place where they are damaged.

    Distributions of which no entry point is ours may be left out.
    """
    names = set()
    for folder in sys.path:
        is_archive = folder.rstrip("/\\").endswith(".egg") or os.path.isfile(folder)  # noqa: PTH113, it never raises
        files = _read_archive(folder) if is_archive else _read_folder(folder)
        newest = _newest_versions(distribution for _, distribution in files)
        for config, distribution in files:
            is_ours = isinstance(config, Exception) or GROUP in config
            key = _normalised(distribution.name)
            if distribution.name.startswith("~"):
                if is_ours:
                    yield folder, _Leftover(), distribution
            elif newest[key] != distribution.version:
                if is_ours:
                    yield folder, _Leftover(str(newest[key])), distribution
            # The same distribution can be met twice, through two folders of the path: the first one wins.
            elif key not in names:
                yield folder, config, distribution
                names.add(key)


def _newest_versions(distributions: Iterable[Distribution]) -> dict[str, str | None]:
    """The version that counts of each name: the highest where one folder has the metadata of several."""
    versions: dict[str, list[str | None]] = {}
    for distribution in distributions:
        versions.setdefault(_normalised(distribution.name), []).append(distribution.version)
    return {name: every[0] if len(set(every)) == 1 else max(every, key=_order) for name, every in versions.items()}


def _order(version: str | None) -> Any:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version or "0")
    except InvalidVersion:
        return Version("0")


def _normalised(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _metadata_folder(folder: str, distribution: Distribution) -> Path:
    stem = f"{distribution.name}-{distribution.version}" if distribution.version else distribution.name
    return next(Path(folder).glob(f"{glob.escape(stem)}.*-info"), Path(folder) / f"{stem}.dist-info")


def _read_archive(path: str) -> list[tuple[Any, Distribution]]:
    """As entrypoints reads an archive on the import path, or an egg; nothing where that cannot be read."""
    import configparser
    import zipfile

    import entrypoints

    try:
        return list(entrypoints.iter_files_distros([path], repeated_distro="all"))
    except (configparser.Error, UnicodeDecodeError, OSError, zipfile.BadZipFile):
        return []


def _read_folder(folder: str) -> list[tuple[Any, Distribution]]:
    """As entrypoints reads a folder, but for what :func:`_read_file` does otherwise."""
    import entrypoints

    files: list[tuple[Any, Distribution]] = []
    paths: list[Path] = []
    with suppress(OSError):  # a folder that nobody may look into, a name that is too long
        paths = sorted(Path(folder).glob("*-info/entry_points.txt"))
    for path in paths:
        if path.parent.suffix not in (".dist-info", ".egg-info"):
            continue
        with suppress(OSError):
            if (config := _read_file(path)) is not None:
                files.append((config, entrypoints.Distribution.from_name_version(path.parent.stem)))
    return files


def _read_file(path: Path) -> configparser.ConfigParser | Exception | None:
    """The entry points in a file, or the error where it cannot be parsed; None where it is no matter of ours then.

    Most files do not name our group: these are not parsed, and their entry points left out.
    """
    import configparser

    import entrypoints

    # A percent sign in a value is nothing to be filled in.
    config: configparser.ConfigParser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",), interpolation=None)
    content = path.read_bytes()
    if GROUP.encode() in content:
        try:
            config.read_string(content.decode("utf-8-sig"), str(path))
        except (configparser.Error, UnicodeDecodeError) as error:
            return error if re.search(rb"^\s*\[?%s\b" % GROUP.encode(), content, re.MULTILINE) else None
    return config
