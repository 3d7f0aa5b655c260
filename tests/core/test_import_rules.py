"""Who may import whom: the core knows neither plugins nor the command line, and plugins use public names only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kdkit

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "kdkit").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").glob("*/kdkit_*/**/*.py"))
HOOKS = [path for path in PLUGINS if path.name == "plugin.py"]
PUBLIC_MODULES = {"kdkit", "kdkit.testing"}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that a file imports, wherever in it; name is "" for a whole module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.module or "", alias.name) for alias in node.names)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check():
    assert len(CORE) > 30 and len(PLUGINS) > 10 and len(HOOKS) >= 3


@pytest.mark.parametrize("path", CORE, ids=named)
def test_the_core_imports_no_plugin_and_no_command_line(path):
    foreign = [module for module, _ in imports(path) if module.startswith("kdkit_")]
    assert not foreign


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_plugins_import_only_public_names_of_the_core(path):
    own = path.relative_to(ROOT / "plugins").parts[1]
    for module, name in imports(path):
        package = module.partition(".")[0]
        assert not package.startswith("kdkit_") or package == own, f"{module} belongs to another distribution"
        if package == "kdkit":
            assert module in PUBLIC_MODULES, f"{module} is not public"
            assert module != "kdkit" or name in ("", *kdkit.__all__), f"kdkit.{name} is not public"


@pytest.mark.parametrize("path", HOOKS, ids=named)
def test_hook_modules_import_nothing_but_kdkit(path):
    assert {module for module, _ in imports(path)} <= {"__future__", "kdkit"}


@pytest.mark.parametrize("name", kdkit.__all__)
def test_every_public_name_is_there(name):
    assert getattr(kdkit, name) is not None
