"""Domains in one Python file, run without packaging: ``kdkit run ./my_domain.py``.

The file is a hook module like any plugin's, and its entries may point at its own classes::

    class Leaves(Domain):
        recipe = "generator: {name: leaf-renderer} ..."

    @hookimpl
    def kdkit_domains():
        return [Entry("leaves", "Leaf outlines", f"{__name__}:Leaves")]

It is imported under its own name, with its folder at the end of the import path, so that worker processes find it
too. Only a file that the user names is ever loaded; neither a recipe nor a student's card can have one loaded.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from kdkit.errors import PluginError, UsageError
from kdkit.plugins.registry import Plugin, RefusedError, Registry

SUFFIX = ".py"


def domain_name(registry: Registry, text: str) -> str:
    """The name of the domain that ``text`` means: a name as it is, or the one in a file, which is loaded."""
    is_file = text.endswith(SUFFIX) or "/" in text or "\\" in text
    return load_domain_file(registry, Path(text)) if is_file else text


def load_domain_file(registry: Registry, path: Path) -> str:
    """Register what the file offers, and return the name of its domain.

    Raises :class:`UsageError` when there is no such file or it cannot be imported under its name,
    :class:`PluginError` when it is broken or does not hold exactly one domain.
    """
    path = path.absolute()
    earlier = next((plugin for plugin in registry.plugins if plugin.file == path), None)
    plugin = earlier or Plugin(path.name, "", "", path.stem, file=path)
    if earlier is None:
        _check_name(path)
        registry.add(plugin, lambda: _import_file(path))
    if plugin.state == "broken":
        raise PluginError(f"{path} is broken: {plugin.reason}")
    names = [entry.name for entry in plugin.entries["domain"]]
    if not names and any(kind == "domain" for kind, _ in plugin.hidden):
        raise PluginError(f"{path}: {plugin.reason}", "Give the domain another name.")
    if len(names) != 1:
        content = f"{len(names)} domains, {', '.join(names)}" if names else "no domain"
        remedy = "package them as a plugin: kdkit plugins new" if names else "add a hook kdkit_domains to it"
        raise PluginError(f"{path} holds {content}; a file holds exactly one", remedy.capitalize())
    return names[0]


def _check_name(path: Path) -> None:
    name = path.stem
    if not path.is_file():
        raise UsageError(f"{path} {'is not a file' if path.exists() else 'does not exist'}")
    if path.suffix != SUFFIX:
        raise UsageError(f"{path} is not a Python file", f"The name of a single-file domain ends with {SUFFIX}.")
    if not name.isidentifier():
        raise UsageError(
            f"{path} cannot be imported: {name!r} is not a name of a module",
            "Rename it; letters, digits and underscores.",
        )
    folder = str(path.parent)
    if folder not in sys.path:
        # At the end: nothing beside the file may stand in for an installed module.
        sys.path.append(folder)
    owner = _module_file(name)
    if owner is None or not Path(owner).exists() or not path.samefile(owner):
        raise UsageError(
            f"{path} cannot be imported: the module name {name!r} is taken by {owner or 'Python itself'}",
            "Rename the file.",
        )


def _module_file(name: str) -> str | None:
    """The file that ``import name`` loads, or has loaded."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None)
    invalidate_caches()
    spec = find_spec(name)
    return spec.origin if spec else None


def _import_file(path: Path) -> ModuleType:
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    try:
        return import_module(path.stem)
    except Exception as error:
        raise RefusedError(f"{type(error).__name__}: {error}{_line_in(path, error)}") from error


def _line_in(path: Path, error: BaseException) -> str:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f" (line {lines[-1]})" if lines else ""
