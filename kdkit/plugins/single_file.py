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

import ast
import hashlib
import sys
import traceback
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from kdkit.contracts.component import Component
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
    known = next((plugin for plugin in registry.plugins if plugin.file == path), None)
    plugin = known or Plugin(path.name, "", "", path.stem, file=path)
    if known is None:
        _check_name(path)
        registry.add(plugin, lambda: _imported(path))
    if plugin.state == "broken":
        raise PluginError(f"{path} is broken: {plugin.reason}")
    names = [entry.name for entry in plugin.entries["domain"]]
    if len(names) != 1:
        found = f"{len(names)} domains, {', '.join(names)}" if names else "no domain"
        remedy = "package them as a plugin: kdkit plugins new" if names else "add a hook kdkit_domains to it"
        raise PluginError(f"{path} holds {found}; a file holds exactly one", remedy.capitalize())
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
    taken = _origin(name)
    if taken is None or not Path(taken).exists() or not path.samefile(taken):
        raise UsageError(
            f"{path} cannot be imported: the module name {name!r} is taken by {taken or 'Python itself'}",
            "Rename the file.",
        )


def _origin(name: str) -> str | None:
    """The file that ``import name`` loads, or has loaded."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None)
    invalidate_caches()
    spec = find_spec(name)
    return spec.origin if spec else None


def _imported(path: Path) -> ModuleType:
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    digest = _digest(path)
    try:
        module = import_module(path.stem)
    except Exception as error:
        raise RefusedError(f"{type(error).__name__}: {error}{_line_in(path, error)}") from error
    own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    versions = {cls: f"{cls.version}+{digest}" for cls in own if issubclass(cls, Component)}
    for cls, version in versions.items():
        # Whoever edits a file and runs it again must not be given what the old code made.
        cls.version = version
    return module


def _digest(path: Path) -> str:
    """8 hexadecimal digits of the code; comments do not count, nor does the recipe, which has its own identity."""
    tree = _WithoutRecipe().visit(ast.parse(path.read_bytes(), str(path)))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:8]


class _WithoutRecipe(ast.NodeTransformer):
    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if any(isinstance(t, ast.Name) and t.id == "recipe" for t in node.targets) else node


def _line_in(path: Path, error: BaseException) -> str:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f" (line {lines[-1]})" if lines else ""
