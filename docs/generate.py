"""The reference pages that are made from the code: hooks, contracts, recipe, components, command line, promises.

Each function gives one page as Markdown. Nothing here knows what any of them contains: what is added to the code is
on the site at the next build.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from kdkit_cli.main import build_app
from kdkit_cli.type_names import type_in_words
from pydantic import BaseModel

import kdkit
import kdkit.testing
from kdkit.entry import KINDS
from kdkit.errors import KdkitError
from kdkit.pages.summary import direction_of
from kdkit.plugins.registry import Registry, discover
from kdkit.recipe.schema import Choice, Recipe, part_of
from kdkit.testing.component import ComponentContract
from kdkit.testing.suite import promises

ROOT = Path(__file__).parent.parent
FOLDER = "reference/generated"

# Contracts of a kind's special cases, each with the kind whose hook offers it and its suite.
SPECIAL = {
    "Adversary": ("generator", "AdversaryContract"),
    "FeatureObjective": ("objective", "ObjectiveContract"),
    "TrainableGenerator": ("generator", "GeneratorContract"),
}
CONTRACTS = {"component": "Component"} | {kind: kind.capitalize() for kind in KINDS}
CONTRACTS |= {name.lower(): name for name in SPECIAL}
# What else belongs on a contract's page.
BESIDE = {
    "component": ["ComponentOptions"],
    "generator": ["Sample"],
    "trainablegenerator": ["TrainingSession"],
    "metric": ["Score"],
    "domain": ["Case", "Figure", "Preview", "Published", "Inspection", "Table", "Defect"],
}


def write(source: Path) -> None:
    """Write every page below ``source``; a page that has not changed is left alone, so builds stay incremental."""
    folder = source / FOLDER
    wanted = {folder / f"{name}.md": text for name, text in pages().items()}
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in set(folder.rglob("*.md")) - set(wanted):
        path.unlink()


def pages() -> dict[str, str]:
    """Every generated page by its name."""
    registry = discover()
    made = {f"hooks/kdkit_{kind}s": hook_page(kind, registry) for kind in KINDS}
    made |= {f"contracts/{kind}": contract_page(kind) for kind in CONTRACTS}
    made |= {f"components/{kind}s": components_page(kind, registry) for kind in KINDS}
    made["recipe"] = recipe_page()
    made["command-line"] = command_line_page()
    made["api"] = api_page()
    made["testing"] = testing_page()
    return made


# --- hooks and contracts


def hook_page(kind: str, registry: Registry) -> str:
    """One hook: what it says, how to implement it, what the bundled plugins return."""
    name = f"kdkit_{kind}s"
    base = kind.capitalize()
    target = f"kdkit_leaves.{kind}:My{base}"
    lines = [
        f"# `{name}`",
        "",
        _rst(f".. autofunction:: kdkit.hookspecs.{name}\n   :no-index-entry:"),
        "",
        "Each {py:class}`~kdkit.Entry` points at a class that keeps the "
        f"[contract of {_a(kind)}](../contracts/{kind}.md).",
        "",
        "```python",
        "from kdkit import Entry, hookimpl",
        "",
        "",
        "@hookimpl",
        f"def {name}():",
        f'    return [Entry("my-{kind}", "One line for people", "{target}")]',
        "```",
        "",
    ]
    found = bundled(kind, registry)
    if found:
        lines += ["## Returned by the bundled plugins", "", "| Name | Summary | Plugin |", "|---|---|---|"]
        for entry_name in found:
            plugin, entry = registry.find(kind, entry_name)
            link = f"[`{entry_name}`](../components/{kind}s.md#{entry_name})"
            lines.append(f"| {link} | {_cell(entry.summary)} | {plugin.name} |")
    return _text(lines)


def contract_page(kind: str) -> str:
    """One contract: its base class, and what it exchanges."""
    base = CONTRACTS[kind]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", base).lower()
    title = "What every component has" if kind == "component" else f"Contract of {_a(words)}"
    lines = [f"# {title}", ""]
    if kind != "component":
        offered, suite = SPECIAL.get(base, (kind, f"{base}Contract"))
        hook = f"[`kdkit_{offered}s`](../hooks/kdkit_{offered}s.md)"
        lines += [
            f"Offered through the hook {hook}; its [promises](../testing.md#{suite.lower()}) are checked by "
            f"{{py:class}}`~kdkit.testing.{suite}`. Inherits what [every component has](component.md).",
            "",
        ]
    lines.append(
        _rst(f".. autoclass:: kdkit.{base}\n   :show-inheritance:\n   :exclude-members: Options, TrainingOptions")
    )
    for name in BESIDE.get(kind, []):
        exclude = "" if name != "ComponentOptions" else "\n   :exclude-members: model_config"
        lines += ["", f"## {name}", "", _rst(f".. autoclass:: kdkit.{name}{exclude}")]
    return _text(lines)


def api_page() -> str:
    """Every public name of :mod:`kdkit`: a link where it has a page, else what it is."""
    elsewhere = {base: f"contracts/{kind}.md" for kind, base in CONTRACTS.items()}
    elsewhere |= {name: f"contracts/{kind}.md" for kind, names in BESIDE.items() for name in names}
    lines = [
        "# Public names",
        "",
        "Everything that a plugin needs is importable from `kdkit`. Names that are not listed here are the core's "
        "own and may change.",
        "",
        "| Name | What it is |",
        "|---|---|",
    ]
    names = [name for name in kdkit.__all__ if not name.startswith("__")]
    for name in names:
        value = getattr(kdkit, name)
        link = f"{{py:obj}}`~kdkit.{name}`"
        lines.append(f"| {link} | {_cell(_PLAIN.get(name) or first_line(value))} |")
    lines += ["", "`kdkit.__version__` is the version as text.", ""]
    for name in names:
        if name in elsewhere:
            continue
        value = getattr(kdkit, name)
        if name in _PLAIN:
            directive = f".. py:data:: kdkit.{name}\n\n   {_PLAIN[name]}"
        elif inspect.isclass(value):
            exception = issubclass(value, BaseException)
            directive = f".. {'autoexception' if exception else 'autoclass'}:: kdkit.{name}"
        else:
            directive = f".. autofunction:: kdkit.{name}"
        lines += [f"## {name}", "", _rst(directive), ""]
    return _text(lines)


# Names that are other projects' objects: their docstrings describe the other project.
_PLAIN = {
    "Field": "pydantic's function for an option's default, limits and description.",
    "hookimpl": "Marks a function of a hook module as the implementation of the hook of its name.",
}


# --- recipe and components


def recipe_page() -> str:
    """Every key of a recipe."""
    lines = [
        "# The recipe",
        "",
        "A recipe is YAML. A domain brings a default one; `--config FILE` is laid over it, `--set path.to.key=value` "
        "over both. `kdkit config show DOMAIN` prints the result, each option with its meaning. A recipe names "
        "components and sets their options; it executes nothing.",
        "",
        "A component is written `{name: NAME, option: value, ...}`. Choosing another name drops the options of the "
        "one it replaces.",
        "",
        "| Key | Type | Default | Meaning |",
        "|---|---|---|---|",
        *_recipe_rows(Recipe, ""),
    ]
    return _text(lines)


def _recipe_rows(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        here = f"{path}{name}"
        part = part_of(field)
        meaning = field.description or ""
        entries = get_origin(field.annotation) is list
        if part is not None and part is not Choice and entries:
            kind, default = "list of sections", "`[]`"
        elif part is not None and part is not Choice:
            kind, default = "section", "" if field.is_required() else _default(field)
            meaning = meaning or first_line(part)
        else:
            kind = type_in_words(field.annotation, field.metadata).replace("Choice", "component")
            default = "required" if field.is_required() else _default(field)
        if part is Choice:
            kind = "component" if field.is_required() else "component or null"
        yield f"| `{here}` | {_cell(kind)} | {_cell(default)} | {_cell(meaning)} |"
        if part is not None and part is not Choice:
            yield from _recipe_rows(part, f"{here}.N." if entries else f"{here}.")


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "the defaults below"
    return f"`{json.dumps(field.default)}`"


def components_page(kind: str, registry: Registry) -> str:
    """The bundled components of one kind with their options."""
    lines = [
        f"# {kind.capitalize()}s of the bundled plugins",
        "",
        "`kdkit plugins info NAME` prints the same for what is installed. "
        f"See the [contract](../contracts/{kind}.md).",
        "",
    ]
    for name in bundled(kind, registry):
        lines += [f"## {name}", "", *_component(kind, name, registry), ""]
    return _text(lines)


def _component(kind: str, name: str, registry: Registry) -> Iterator[str]:
    plugin, entry = registry.find(kind, name)
    yield f"{entry.summary}. From `{plugin.distribution}`."
    yield ""
    try:
        cls: Any = registry.component(kind, name)
    except KdkitError as error:
        # A warning stops a strict build, and lets everyone else see the rest of the site.
        logging.getLogger("sphinx.generate").warning("%s", error.message)
        return
    if cls.__doc__:
        yield _rst(inspect.cleandoc(cls.__doc__))
        yield ""
    if kind == "domain":
        suffixes = ", ".join(cls.input_suffixes) or "no files"
        yield f"Activation `{cls.activation}`; counts {cls.item}s; reads {suffixes}."
        yield ""
    if kind == "metric":
        yield f"Unit: {cls.unit or 'none'}; {direction_of(cls)[1]}."
        yield ""
    if not cls.Options.model_fields:
        yield "No options."
        return
    defaults = cls.Options.model_json_schema().get("properties", {})
    yield "| Option | Type | Default | Meaning |"
    yield "|---|---|---|---|"
    for option, field in cls.Options.model_fields.items():
        default = "required" if field.is_required() else f"`{json.dumps(defaults.get(option, {}).get('default'))}`"
        words = type_in_words(field.annotation, field.metadata)
        yield f"| `{option}` | {_cell(words)} | {_cell(default)} | {_cell(field.description or '')} |"


def bundled(kind: str, registry: Registry) -> list[str]:
    """The names of the components that the distributions in this repository offer."""
    projects = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    ours = {tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"] for path in projects}
    broken = [plugin for plugin in registry.plugins if plugin.distribution in ours and plugin.state == "broken"]
    if broken:
        raise KdkitError(f"the plugin {broken[0].name} is broken: {broken[0].reason}")
    return [name for name in registry.names(kind) if registry.find(kind, name)[0].distribution in ours]


# --- command line


def command_line_page() -> str:
    """Every command with its arguments and options."""
    from typer.main import get_command

    lines = ["# The command line", "", "`-h` or `--help` after any command prints the same.", ""]
    for name, command in commands(get_command(build_app()), "kdkit"):
        lines += [f"## {name}", ""]
        lines += [f"{line.strip()}" for line in (command.help or "").strip().splitlines()]
        lines.append("")
        if isinstance(command, _group_type()):
            lines += ["| Command | What it does |", "|---|---|"]
            for word, sub in command.commands.items():
                if not sub.hidden:
                    full = f"{name} {word}"
                    lines.append(f"| [`{full}`](#{_anchor(full)}) | {_cell(first(sub.help))} |")
            lines.append("")
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        shown = [parameter for parameter in shown if parameter.name != "help"]
        if shown:
            lines += ["| Argument or option | Meaning |", "|---|---|", *map(parameter_row, shown), ""]
    return _text(
        [
            *lines,
            "## Environment",
            "",
            "| Variable | Meaning |",
            "|---|---|",
            "| `KDKIT_HOME` | Folder of the runs and of the store. Default: `runs`. |",
            "| `KDKIT_DISABLE_PLUGINS` | Plugins to leave out, by name, with commas between. |",
            "| `KDKIT_PREFER_PLUGINS` | Plugins or distributions that have a name first that several claim. |",
            "| `KDKIT_STRICT_PLUGINS` | `1`: a broken plugin is an error, not a line in the list. |",
            "| `KDKIT_LARGEST_FILE` | Memory that reading one file may take: `500MB`, `8GB`. Default: 2 GB. |",
            "| `KDKIT_KEPT_PREDICTIONS` | Disk for predictions that `evaluate --data` keeps: `500MB`, `8GB`. "
            "Default: 20 GB. |",
            "| `KDKIT_TEACHER_TOKEN` | Token of `kdkit serve-teacher` and of the teacher `remote`. |",
            "| `KDKIT_VERBOSE` | `1`: as `--verbose`. |",
            "| `KDKIT_TRACE_PLUGINS` | `1`: write each hook call with its result to standard error. |",
            "",
            "## Exit codes",
            "",
            "`0`: done. `1`: something failed that a message explains. `2`: the command or the recipe was wrong. "
            "`130`: stopped by the user; the same command goes on where it stopped.",
        ]
    )


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and those below it, each with its full name."""
    yield name, command
    if isinstance(command, _group_type()):
        for word, sub in command.commands.items():
            if not sub.hidden:
                yield from commands(sub, f"{name} {word}")


def _group_type() -> type[Any]:
    from typer.core import TyperGroup

    return TyperGroup


def parameter_row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = parameter.metavar or parameter.name.upper()
        shown = f"`{shown}`" if parameter.required else f"`[{shown}]`"
    else:
        names = ", ".join([*parameter.opts, *parameter.secondary_opts])
        value = "" if parameter.is_flag else f" {parameter.metavar or _value_name(parameter)}"
        shown = f"`{names}{value}`"
    needed = "Required. " if parameter.required and parameter.param_type_name != "argument" else ""
    return f"| {_cell(shown)} | {needed}{_cell(parameter.help or '')} |"


def _value_name(parameter: Any) -> str:
    kind = getattr(parameter, "type", None)  # typer before 0.20 stands on click, whose types have names
    if kind is None:
        annotation = parameter.type_descriptor.annotation
        if get_origin(annotation) is Literal:
            return "|".join(get_args(annotation))
        return {str: "TEXT", int: "INTEGER", float: "FLOAT"}.get(annotation, "PATH" if annotation is Path else "TEXT")
    return str(kind.name).upper()


# --- promises


def testing_page() -> str:
    """What each contract suite checks."""
    lines = [
        "# What the contract suites promise",
        "",
        "{py:mod}`kdkit.testing` holds a pytest class for each contract. An author subclasses one, names his class, "
        "and gets the whole suite; `kdkit plugins verify` runs the same without pytest.",
        "",
        _rst(".. py:module:: kdkit.testing"),
        "",
        "## Of every component",
        "",
        *_promises(ComponentContract, set()),
        "",
    ]
    common = set(promises(ComponentContract))
    # The suites first, then what they raise.
    for name in sorted(kdkit.testing.__all__, key=lambda name: (not name.endswith("Contract"), name)):
        value = getattr(kdkit.testing, name)
        lines += [f"## {name}", "", _rst(_testing_directive(name, value)), ""]
        if issubclass(value, ComponentContract):
            lines += ["Beside what every component promises:", "", *_promises(value, common), ""]
    return _text(lines)


def _testing_directive(name: str, value: Any) -> str:
    kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
    return f".. {kind}:: kdkit.testing.{name}\n   :no-members:"


def _promises(contract: type[ComponentContract], left_out: set[str]) -> Iterator[str]:
    for name in promises(contract):
        if name not in left_out:
            yield f"- {first_line(getattr(contract, name))}"


# --- text


def _rst(text: str) -> str:
    return f"```{{eval-rst}}\n{text}\n```"


def first_line(value: Any) -> str:
    return first(inspect.getdoc(value))


def first(text: str | None) -> str:
    """The first sentence or paragraph, in one line, reST markup taken away."""
    paragraph = " ".join((text or "").strip().partition("\n\n")[0].split())
    return paragraph.replace("``", "`").replace(":class:", "").replace(":data:", "").replace(":meth:", "")


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _text(lines: list[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"
