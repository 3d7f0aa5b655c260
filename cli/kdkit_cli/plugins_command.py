"""``kdkit plugins``: what is installed, and what it offers."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdkit_cli import new_command, verify_command
from kdkit_cli.commands import Command, Group
from kdkit_cli.session import current, reserve_output

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kdkit.plugins.registry import Plugin, Registry

app = typer.Typer(help="See what is installed, and what it offers.", no_args_is_help=True, cls=Group)
new_command.register(app)
verify_command.register(app)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.", callback=reserve_output)]
RequirementsOption = Annotated[bool, typer.Option("--requirements", help="Print lines for pip.")]


def register(program: typer.Typer) -> None:
    """Add the group to the application."""
    program.add_typer(app, name="plugins")


@app.command("list", cls=Command)
def list_(as_json: JsonOption = False, requirements: RequirementsOption = False) -> None:
    """List the installed plugins with their state and components."""
    from kdkit.plugins.registry import discover

    plugins = discover().plugins
    if requirements:
        typer.echo("\n".join(_requirements(plugins)))
    elif as_json:
        current.write_json([_plugin_facts(plugin) for plugin in plugins])
    elif plugins:
        _print_table(plugins)
    else:
        typer.echo("no plugins are installed; pip install kdkit-echocardio, for example")


@app.command("info", cls=Command)
def info(
    name: Annotated[str, typer.Argument(help="Name of a plugin or of a component.")],
    as_json: JsonOption = False,
) -> None:
    """Show a plugin's components, or a component's options: type, default and meaning."""
    from kdkit.entry import KINDS
    from kdkit.errors import UsageError, did_you_mean
    from kdkit.plugins.registry import discover

    registry = discover()
    plugin = next((p for p in registry.plugins if p.name == name), None)
    components = [_component_facts(registry, kind, name) for kind in KINDS if name in registry.names(kind)]
    if plugin is None and not components:
        names = [p.name for p in registry.plugins] + [n for kind in KINDS for n in registry.names(kind)]
        raise UsageError(f"no plugin or component is called {name!r}; {did_you_mean(name, names)}")
    all_facts = ([_plugin_facts(plugin) | {"kind": "plugin"}] if plugin else []) + components
    if as_json:
        current.write_json(all_facts)
        return
    for facts in all_facts:
        _print_facts(facts)


def _requirements(plugins: "list[Plugin]") -> list[str]:
    """A line for each distribution, kdkit's own first; a broken one as a remark, lest it be installed again."""
    import kdkit

    lines = [f"kdkit=={kdkit.__version__}"]
    for plugin in plugins:
        requirement = f"{plugin.distribution}=={plugin.version}"
        lines.append(f"# {requirement}  broken: {plugin.reason}" if plugin.state == "broken" else requirement)
    return list(dict.fromkeys(lines))


def _print_table(plugins: "list[Plugin]") -> None:
    # Written without rich, whose import would take a quarter of the time that this command needs.
    rows = [(plugin.name, plugin.distribution, plugin.version, plugin.state) for plugin in plugins]
    titles = ("plugin", "distribution", "version", "state")
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]

    def line(cells: tuple[str, ...], rest: str, color: str | None = None, dim: bool = False) -> None:
        columns = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
        columns[-1] = typer.style(columns[-1], fg=color) if color else columns[-1]
        typer.echo(typer.style("  " + "  ".join([*columns, rest]), dim=dim or None))

    line(titles, "components", dim=True)
    for plugin, row in zip(plugins, rows, strict=True):
        line(row, _counts(plugin) or plugin.reason, {"active": "green", "broken": "red"}.get(plugin.state, "yellow"))
        if plugin.hidden:
            line(("", "", "", ""), plugin.reason, dim=True)
        if plugin.state == "broken" or plugin.hidden:
            line(("", "", "", ""), f"→ {plugin.remedy}", dim=True)


def _counts(plugin: "Plugin") -> str:
    counts = [(kind, len(entries)) for kind, entries in plugin.entries.items() if entries]
    return ", ".join(f"{n} {kind}" if n == 1 else f"{n} {kind}s" for kind, n in counts)


def _plugin_facts(plugin: "Plugin") -> dict[str, Any]:
    components = [
        {"kind": kind, "name": entry.name, "summary": entry.summary, "target": entry.target}
        for kind, entries in plugin.entries.items()
        for entry in entries
    ]
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": plugin.state,
        "reason": plugin.reason,
        "remedy": plugin.remedy,
        "module": plugin.module,
        "components": components,
    }


def _component_facts(registry: "Registry", kind: str, name: str) -> dict[str, Any]:
    import inspect

    from kdkit.contracts.trainable import TrainableGenerator

    plugin, entry = registry.find(kind, name)
    cls = registry.component(kind, name)
    return {
        "kind": kind,
        "name": name,
        **_gradients(kind, cls),
        "summary": entry.summary,
        "description": inspect.getdoc(cls) or "",
        "target": entry.target,
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "options": _options(cls.Options),
        **({"training_options": _options(cls.TrainingOptions)} if issubclass(cls, TrainableGenerator) else {}),
    }


def _options(model: "type[BaseModel]") -> list[dict[str, Any]]:
    from kdkit_cli.type_names import type_in_words

    properties = model.model_json_schema().get("properties", {})
    return [
        {
            "name": option,
            "type": type_in_words(field.annotation, field.metadata),
            "required": field.is_required(),
            "default": properties.get(option, {}).get("default"),
            "description": field.description or "",
        }
        for option, field in model.model_fields.items()
    ]


def _gradients(kind: str, cls: Any) -> dict[str, bool]:
    """Whether a teacher gives gradients, or what works through a teacher needs them; nothing for other kinds."""
    from kdkit.contracts.adversary import Adversary
    from kdkit.contracts.objective import FeatureObjective

    if kind == "teacher":
        return {"gradients": cls.gradients}
    if kind == "generator":
        return {"needs_gradients": issubclass(cls, Adversary) or cls.needs_gradients}
    if kind == "objective":
        return {"needs_gradients": issubclass(cls, FeatureObjective)}
    return {}


_GRADIENTS_IN_WORDS = {
    ("gradients", True): "Runs in this process: gives gradients and features, unless its options say otherwise.",
    ("gradients", False): "Gives only logits: no gradients, no features.",
    ("needs_gradients", True): "Needs a teacher that gives gradients and features.",
    ("needs_gradients", False): "Needs no more of a teacher than logits.",
}


def _print_facts(facts: dict[str, Any]) -> None:
    from kdkit_cli.console import escape, out

    out.print(f"[bold]{facts['name']}[/]  {facts['kind']} of {facts['distribution']} {facts['version']}".rstrip())
    if facts["kind"] == "plugin":
        out.print(f"  {facts['state']}  {escape(facts['reason'])}".rstrip())
        for component in facts["components"]:
            out.print(f"  {component['kind']:<10} {component['name']:<20} {escape(component['summary'])}")
        out.print()
        return
    out.print(f"  {escape(facts['summary'])}")
    out.print(f"  [dim]{facts['target']}[/]")
    for fact in ("gradients", "needs_gradients"):
        if fact in facts:
            out.print(f"  {_GRADIENTS_IN_WORDS[fact, facts[fact]]}")
    out.print()
    for line in facts["description"].splitlines():
        out.print(f"  {escape(line)}".rstrip())
    _print_options("options", facts["options"])
    if "training_options" in facts:
        _print_options(f"options of kdkit train-generator {facts['name']}", facts["training_options"])
    out.print()


def _print_options(title: str, options: list[dict[str, Any]]) -> None:
    from kdkit_cli.console import escape, out

    out.print(f"\n  {title}" if options else f"\n  no {title}")
    for option in options:
        default = "required" if option["required"] else f"default {json.dumps(option['default'])}"
        out.print(f"    [bold]{option['name']}[/]  {escape(option['type'])}, {escape(default)}")
        out.print(f"      {escape(option['description'])}")
