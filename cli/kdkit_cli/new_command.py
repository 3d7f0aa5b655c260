"""``kdkit plugins new``: the project of a new plugin, installable and tested, with one working component."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from kdkit.entry import KINDS
from kdkit_cli.commands import Command
from kdkit_cli.out_option import out_folder

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 24
TEMPLATES = Path(__file__).parent / "templates" / "new"

Kind = Literal["domain", "teacher", "generator", "student", "metric"]
# Each kind for which there is a template.
SUMMARIES: dict[str, str] = {
    "generator": "Bright discs on noise",
    "teacher": "Calls bright pixels foreground",
    "student": "Two 3 x 3 convolutions",
    "metric": "Dice coefficient of a mask",
    "domain": "Bright discs in grayscale images",
}


@dataclass(frozen=True)
class Part:
    """A component of the new plugin."""

    kind: str
    name: str
    cls: str

    @property
    def summary(self) -> str:
        return SUMMARIES[self.kind]

    @property
    def contract(self) -> str:
        """The class of kdkit.testing that tests it."""
        return f"{self.kind.capitalize()}Contract"


def register(app: typer.Typer) -> None:
    """Add the command to ``kdkit plugins``."""
    app.command("new", cls=Command)(new)


def new(
    name: Annotated[str, typer.Argument(help="Name of the plugin: lower case, digits and dashes.")],
    kind: Annotated[Kind, typer.Option("--kind", help="What it offers first.")],
    out: Annotated[Path | None, out_folder("Folder to make.  [default: kdkit-NAME]")] = None,
) -> None:
    """Make the project of a new plugin: installable, tested, with one working component."""
    from kdkit.atomic import write_text
    from kdkit_cli.console import escape
    from kdkit_cli.console import out as console

    _check_name(name)
    folder = out or Path(f"kdkit-{name}")
    _check_folder(folder)
    files = project_files(name, kind)
    for path, text in files.items():
        write_text(folder / path, text)
    console.print(f"  {len(files)} files in {escape(str(folder))}. Next:\n")
    console.print(f"  cd {escape(str(folder))}")
    steps = ["pip install -e '.[test]'", f"kdkit plugins verify {name}", "pytest"]
    for step in [*steps, f"kdkit run {name}"] if kind == "domain" else steps:
        console.print(f"  {escape(step)}")


def project_files(name: str, kind: Kind) -> dict[str, str]:
    """The text of every file of the project, by its path below the project's folder."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    import kdkit

    package = f"kdkit_{name.replace('-', '_')}"
    parts = _parts(name, kind)
    # The files are Python, YAML and TOML: nothing in them is to be escaped as HTML would be.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

    def text(template: str, part: Part | None = None) -> str:
        return environment.get_template(f"{template}.jinja").render(
            name=name,
            kind=kind,
            package=package,
            parts=parts,
            part=part,
            names={p.kind: p.name for p in parts},
            classes={p.kind: p.cls for p in parts},
            kdkit_version=kdkit.__version__,
        )

    files = {
        "pyproject.toml": text("pyproject.toml"),
        "README.md": text("README.md"),
        "LICENSE": text("LICENSE"),
        ".gitignore": text("gitignore"),
        ".github/workflows/ci.yml": text("ci.yml"),
        f"{package}/__init__.py": text("init.py"),
        f"{package}/plugin.py": text("plugin.py"),
        f"{package}/py.typed": "",
    }
    if kind == "domain":
        files[f"{package}/recipe.yaml"] = text("recipe.yaml")
    for part in parts:
        files[f"{package}/{part.kind}.py"] = text(f"{part.kind}.py", part)
        files[f"tests/test_{part.kind}.py"] = text("test_part.py", part)
    return files


def _parts(name: str, kind: Kind) -> list[Part]:
    stem = "".join(word.capitalize() for word in name.removesuffix(f"-{kind}").split("-"))
    if kind != "domain":
        return [Part(kind, name, f"{stem}{kind.capitalize()}")]
    return [
        Part(part, name if part == "domain" else f"{name}-{part}", f"{stem}{part.capitalize()}")
        for part in KINDS
        if part in SUMMARIES
    ]


def _check_name(name: str) -> None:
    from importlib.util import find_spec

    from kdkit.errors import UsageError
    from kdkit.plugins.registry import discover

    if name.startswith("kdkit"):
        raise UsageError(f"{name!r} begins with kdkit", "Leave it out: the distribution is called kdkit-NAME anyway.")
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot be the name of a plugin",
            f"Lower-case letters, digits and single dashes, a letter first, {LONGEST_NAME} characters at most.",
        )
    package = f"kdkit_{name.replace('-', '_')}"
    owner = next((plugin.distribution for plugin in discover().plugins if plugin.name == name), None)
    if owner:
        raise UsageError(f"there is a plugin called {name} already, of {owner}", "Choose another name.")
    if find_spec(package):
        raise UsageError(f"there is a package called {package} already", "Choose another name.")


def _check_folder(folder: Path) -> None:
    from kdkit.errors import UsageError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists already; nothing was written", "Choose another folder with --out.")
