"""A digest of the source that a component is made from: equal for equal code, wherever its modules lie.

What counts is the code of the component's module and of every module of the same package that it imports, at once or
inside a function, transitively, with the packages that they lie in. For a module without a package, as a single-file
domain is, what it imports from its own folder counts. Comments, docstrings and code for type checkers do not, nor do
the names of modules: where one module imports another, the other's code stands in place of its name. Python's syntax
trees differ from one version to the next, and so do the digests.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# A single-file domain that lies beside the sources of kdkit is not made from them.
_KDKIT = __name__.partition(".")[0]


def source_digest(component: type, domain_file: Path | None = None) -> str:
    """16 hexadecimal digits of the code of a class and of what it imports; "" when there is no source.

    ``domain_file``: the single-file domain that offers the class; assignments to ``recipe`` in its classes do not
    count, for a recipe has an identity of its own.
    """
    file = _file_of(component)
    if file is None:
        return ""
    tree = _tree_of(component.__module__, file, domain_file)
    sources = _closure(tree, component.__module__ if tree.locate(component.__module__) else file.stem)
    if not sources:  # an extension module, say
        return ""
    first = next(iter(sources))
    codes = {name: [source.code, *_codes(source, sources)] for name, source in sources.items() if source.code}
    other_codes = sorted({tuple(code) for name, code in codes.items() if name != first})
    text = json.dumps([component.__qualname__, codes.get(first), other_codes])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_from_wheel(distribution: str, component: type) -> bool:
    """Whether the class's file is one that the distribution's RECORD lists: an installed copy, not a working one."""
    from importlib import metadata

    file = _file_of(component)
    if file is None or not distribution:
        return False
    try:
        copy = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    if copy.read_text("RECORD") is None:
        return False
    places = (Path(str(copy.locate_file(path))) for path in copy.files or () if path.name == file.name)
    return any(place.resolve() == file.resolve() for place in places)


def _file_of(component: type) -> Path | None:
    file = getattr(sys.modules.get(component.__module__), "__file__", None)
    return Path(file) if file and Path(file).is_file() else None


@dataclass(frozen=True)
class _Tree:
    """Where the modules lie that count.

    ``package``: the top-level package whose modules they are; "" for those of one folder. ``folders``: the folders of
    that package, or the folder. ``domain_file``: as in :func:`source_digest`.
    """

    package: str
    folders: tuple[Path, ...]
    domain_file: Path | None

    def locate(self, module: str) -> Path | None:
        """The file of a module; None when it is not one of the tree, or a package without a file."""
        top, *rest = module.split(".")
        if self.package:
            if top != self.package:
                return None
        elif top == _KDKIT or top in sys.stdlib_module_names:
            return None
        else:
            rest = [top, *rest]
        for folder in self.folders:
            place = folder.joinpath(*rest)
            files = [place / "__init__.py", *([place.with_suffix(".py")] if rest else [])]
            for file in files:
                if file.is_file():
                    return file
        return None

    def is_offered_by_kdkit(self, name: str) -> bool:
        """Whether ``name``, "kdkit.Sample" say, is one that kdkit itself offers to its modules, and loads lazily."""
        top, _, rest = name.partition(".")
        return self.package == top == _KDKIT and bool(rest) and "." not in rest and self.locate(name) is None

    def package_of(self, module: str) -> Iterator[str]:
        """Every module of the top-level package that a module lies in; else every one of the folder."""
        top = module.partition(".")[0]
        for folder in self.folders:
            root = folder if self.package else folder / top
            if self.package or root.is_dir():
                for file in root.rglob("*.py"):
                    parts = (top, *file.relative_to(root).with_suffix("").parts)
                    yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            else:
                yield from (file.stem for file in folder.glob("*.py"))


def _tree_of(module: str, file: Path, domain_file: Path | None) -> _Tree:
    if domain_file and file.is_relative_to(domain_file.parent):
        return _Tree("", (domain_file.parent,), domain_file)
    top = module.partition(".")[0]
    folders = tuple(Path(folder) for folder in getattr(sys.modules.get(top), "__path__", ()))
    if folders:
        tree = _Tree(top, folders, domain_file)
        if tree.locate(module) is not None:
            return tree
    return _Tree("", (file.parent,), domain_file)


@dataclass(frozen=True)
class _Source:
    """A module's own ``code`` as a digest, "" when there is none; what it ``imports`` of the tree, in order.

    ``is_open``: it imports what only running it tells.
    """

    code: str
    imports: tuple[str, ...]
    is_open: bool


def _closure(tree: _Tree, module: str) -> dict[str, _Source]:
    """The module, first, and all that it imports from the tree, with the packages that hold them."""
    sources: dict[str, _Source] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        file = tree.locate(name)
        # Names that kdkit offers are loaded when they are asked for, so its own table of them imports nothing.
        if name in sources or file is None or name == tree.package == _KDKIT:
            continue
        state = file.stat()
        source = sources[name] = _read(file, state.st_mtime_ns, state.st_size, name, tree)
        parts = name.split(".")
        queue += [".".join(parts[:count]) for count in range(1, len(parts))]
        queue += source.imports
        if source.is_open or any(map(tree.is_offered_by_kdkit, source.imports)):
            queue += tree.package_of(name)
    return sources


def _codes(source: _Source, sources: dict[str, _Source]) -> list[str]:
    return [sources[name].code for name in source.imports if name in sources]


@lru_cache(maxsize=4096)
def _read(file: Path, mtime: int, size: int, module: str, tree: _Tree) -> _Source:
    data = file.read_bytes()
    try:
        syntax = ast.parse(data)
    except (SyntaxError, ValueError):
        return _Source(hashlib.sha256(data).hexdigest(), (), False)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    reader = _Reader(package, tree, without_recipe=file == tree.domain_file)
    reader.visit_block(syntax)
    if b"import_module" in data or b"__import__" in data:
        reader.visit_calls(syntax)
    text = ast.dump(syntax, annotate_fields=False) if syntax.body else ""
    code = hashlib.sha256(text.encode()).hexdigest() if text else ""
    return _Source(code, tuple(reader.imports), reader.is_open)


class _Reader:
    """Collects what a module imports, and takes out of its syntax tree what does not count."""

    def __init__(self, package: str, tree: _Tree, without_recipe: bool) -> None:
        self.package = package
        self.tree = tree
        self.without_recipe = without_recipe
        self.imports: list[str] = []
        self.is_open = False

    def visit_block(self, node: ast.AST) -> None:
        """Statements only: none of what matters here hides in an expression."""
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            self._drop_docstring(node)
        if isinstance(node, ast.ClassDef) and self.without_recipe:
            node.body = [statement for statement in node.body if not _assigns_recipe(statement)]
        if isinstance(node, ast.If) and _name_of(node.test) == "TYPE_CHECKING":
            node.body = []
        if isinstance(node, ast.Import):
            self._visit_import(node)
        if isinstance(node, ast.ImportFrom):
            self._visit_import_from(node)
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            for child in getattr(node, name, ()):
                self.visit_block(child)

    def visit_calls(self, syntax: ast.Module) -> None:
        """Imports by name: a constant one counts as any import, another one can be of any module."""
        for node in ast.walk(syntax):
            if isinstance(node, ast.Call) and _name_of(node.func) in ("import_module", "__import__"):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    name = first.value.lstrip(".")
                    self.imports.append(self._absolute(name, len(first.value) - len(name)))
                else:
                    self.is_open = True
            elif isinstance(node, ast.alias) and node.name == "import_module" and node.asname:
                self.is_open = True

    def _visit_import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imports.append(alias.name)
            if alias.asname and self.tree.locate(alias.name):
                alias.name = ""

    def _visit_import_from(self, node: ast.ImportFrom) -> None:
        module = self._absolute(node.module or "", node.level)
        self.imports += [module, *(f"{module}.{alias.name}" for alias in node.names)]
        if node.level or self.tree.locate(module):
            node.module, node.level = None, 0

    def _absolute(self, name: str, level: int) -> str:
        if not level:
            return name
        parts = self.package.split(".")
        return ".".join(filter(None, [*parts[: len(parts) - level + 1], name]))

    @staticmethod
    def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            del node.body[0]


def _name_of(node: ast.expr) -> str:
    """The last name of ``name`` or ``package.name``."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _assigns_recipe(statement: ast.stmt) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return any(isinstance(target, ast.Name) and target.id == "recipe" for target in targets)
