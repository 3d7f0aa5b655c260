"""Who may import whom: the folders of the core stand on layers, and plugins use public names only."""

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

# From the ground up. A part imports only parts of the layers below it, wherever in a file the import stands.
LAYERS = [
    {"allocation", "errors", "exits", "owner", "spinning", "stopping"},
    {"progress", "entry", "limits", "sample", "atomic", "scratch", "launch", "workers"},
    {"archives", "content"},
    {"hookspecs"},
    {"contracts", "profiling"},
    {"store"},
    {"plugins"},
    {"recipe"},
    {"runs"},
    {"engine"},
    {"evaluation"},
    {"pages", "export"},
    {"stages"},
    {"sweep", "serving", "testing", "objectives", "metrics"},
    {"api"},
]
FLOORS = {part: floor for floor, parts in enumerate(LAYERS) for part in parts}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that a file imports, wherever in it; name is "" for a whole module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.module or "", alias.name) for alias in node.names)


def core_modules(path: Path) -> Iterator[str]:
    """The dotted names of the core's modules that a file imports; names of ``kdkit`` itself are left out."""
    for module, name in imports(path):
        full = f"{module}.{name}" if name else module
        if not full.startswith("kdkit."):
            continue
        for candidate in (full, module):
            place = ROOT / candidate.replace(".", "/")
            if candidate != "kdkit" and (place.with_suffix(".py").is_file() or place.is_dir()):
                yield candidate
                break


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    return module.split(".")[1]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check():
    assert len(CORE) > 30 and len(PLUGINS) > 10 and len(HOOKS) >= 3


def test_every_part_of_the_core_stands_on_a_layer():
    parts = {part_of(module_of(path)) for path in CORE if path != ROOT / "kdkit" / "__init__.py"}
    assert parts <= set(FLOORS), "a new part of the core needs a place in LAYERS"


def test_no_import_of_the_core_crosses_a_layer():
    crossings = [
        f"{relative(path)} imports {module}"
        for path in CORE
        if path != ROOT / "kdkit" / "__init__.py"
        for module in core_modules(path)
        if part_of(module) != (own := part_of(module_of(path))) and FLOORS[part_of(module)] >= FLOORS[own]
    ]
    assert not crossings


def test_no_modules_of_the_core_import_each_other_in_a_circle():
    graph = {module_of(path): set(core_modules(path)) for path in CORE if path.name != "__init__.py"}
    finished: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join([*trail[trail.index(module) :], module])
        if module in finished:
            return
        for target in sorted(graph.get(module, ())):
            visit(target, (*trail, module))
        finished.add(module)

    for module in graph:
        visit(module, ())


def test_the_core_imports_no_plugin_and_no_command_line():
    foreign = [
        f"{relative(path)} imports {module}"
        for path in CORE
        for module, _ in imports(path)
        if module.startswith("kdkit_")
    ]
    assert not foreign


def test_plugins_import_only_public_names_of_the_core():
    faults = []
    for path in PLUGINS:
        own = path.relative_to(ROOT / "plugins").parts[1]
        for module, name in imports(path):
            package = module.partition(".")[0]
            if package.startswith("kdkit_") and package != own:
                faults.append(f"{relative(path)}: {module} belongs to another distribution")
            if package == "kdkit" and module not in PUBLIC_MODULES:
                faults.append(f"{relative(path)}: {module} is not public")
            if module == "kdkit" and name not in ("", *kdkit.__all__):
                faults.append(f"{relative(path)}: kdkit.{name} is not public")
    assert not faults


@pytest.mark.parametrize("path", HOOKS, ids=relative)
def test_hook_modules_import_nothing_but_kdkit(path):
    assert {module for module, _ in imports(path)} <= {"__future__", "kdkit"}


def test_every_public_name_is_there():
    assert all(getattr(kdkit, name) is not None for name in kdkit.__all__)
