"""``kdkit plugins verify``: does a plugin keep its promises?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdkit_cli.commands import Command

if TYPE_CHECKING:
    from kdkit.plugins.registry import Plugin, Registry
    from kdkit.testing.verify import Finding


def register(app: typer.Typer) -> None:
    """Add the command to the group ``plugins``."""
    app.command("verify", cls=Command)(verify)


def verify(
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="Name of an installed plugin, folder of a plugin's project, or file of a single-file domain.",
        ),
    ],
) -> None:
    """Try every promise of every component, and run every domain in miniature, on the CPU.

    A plugin that is only being written is loaded from its folder; it need not be installed.
    """
    from kdkit.errors import PluginError
    from kdkit.testing.verify import verify as findings_of

    registry, plugins = _load(target)
    broken_count = 0
    for plugin in plugins:
        if plugin.state == "broken":
            raise PluginError(f"{plugin.title} is broken: {plugin.reason}", plugin.remedy)
        width = max((len(entry.name) for entries in plugin.entries.values() for entry in entries), default=0)
        for finding in findings_of(registry, plugin):
            _print(finding, width)
            broken_count += len(finding.verdict.broken)
    if broken_count:
        count = "1 promise is" if broken_count == 1 else f"{broken_count} promises are"
        raise PluginError(f"{count} broken", "Each line above says what to do.")


def _load(target: str) -> "tuple[Registry, list[Plugin]]":
    from kdkit.errors import UsageError, did_you_mean
    from kdkit.plugins.registry import discover

    path = Path(target)
    if path.suffix == ".py":
        from kdkit.plugins.single_file import load_domain_file

        registry = discover()
        load_domain_file(registry, path)
        return registry, [plugin for plugin in registry.plugins if plugin.file == path.absolute()]
    if path.name != target or target in (".", ".."):
        return _project(path)
    registry = discover()
    matches = [plugin for plugin in registry.plugins if plugin.name == target]
    if not matches and path.is_dir():
        return _project(path)
    if not matches:
        names = [plugin.name for plugin in registry.plugins]
        raise UsageError(f"no plugin is called {target!r}; {did_you_mean(target, names)}")
    if matches[0].state == "disabled":
        raise UsageError(f"the plugin {target} is disabled: {matches[0].reason}")
    return registry, matches


def _project(folder: Path) -> "tuple[Registry, list[Plugin]]":
    from kdkit.testing.project import load_project

    return load_project(folder)


def _print(finding: "Finding", width: int) -> None:
    from kdkit_cli.console import escape, out

    verdict = finding.verdict
    color = "red" if verdict.broken else "yellow" if verdict.unverified else "green"
    out.print(f"  {finding.name:<{width}}   [{color}]{escape(str(finding))}[/]")
    for broken in verdict.broken:
        out.print(f"    broken: {escape(_line(broken.what))} [dim]→ {escape(_line(broken.remedy))}[/]")
    for advice in verdict.advice:
        out.print(f"    advice: {escape(advice)}")


def _line(text: str) -> str:
    return " ".join(text.split())
