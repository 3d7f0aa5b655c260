"""Loading plugins, each under guard, and the registry of named components.

Each hook module is imported, registered with pluggy and called for its entries inside a guard of its own: one that
fails is kept as *broken* with the reason, contributes nothing, and everything else goes on. A component's class is
imported only when it is needed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TextIO

import pluggy

from kdkit import __version__, hookspecs
from kdkit.entry import KINDS, Entry
from kdkit.errors import PluginError, UsageError, did_you_mean
from kdkit.exits import watch_libraries
from kdkit.plugins import builtin
from kdkit.plugins.discovery import is_named, plugin_points
from kdkit.plugins.guard import describe_error, guarded_import
from kdkit.plugins.trace import write_calls

if TYPE_CHECKING:
    from kdkit.contracts.component import Component, Origin

State = Literal["active", "disabled", "broken"]
# A component's module may import torch, from a slow disk.
COMPONENT_SECONDS = 600.0


@dataclass
class Plugin:
    """A plugin, loaded or not. ``reason`` says why it is broken or disabled.

    ``file``: where a single-file domain lies; None for an installed plugin. ``folder``: of a project that is loaded
    without being installed. ``hidden``: by kind and name, what it offers under names that others had first;
    ``distribution:name`` still means it.
    """

    name: str
    distribution: str
    version: str
    module: str
    state: State = "active"
    reason: str = ""
    remedy: str = ""
    entries: dict[str, list[Entry]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    file: Path | None = None
    folder: Path | None = None
    hidden: dict[tuple[str, str], Entry] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The plugin and its distribution, as messages name them."""
        return str(self.file) if self.file else f"the plugin {self.name} ({self.distribution} {self.version})"

    def mark_broken(self, reason: str, remedy: str = "") -> None:
        """Mark as broken; whatever it had offered is withdrawn."""
        self.state, self.reason = "broken", reason
        self.remedy = remedy or _remedy(self)
        self.entries = {kind: [] for kind in KINDS}
        self.hidden = {}


class Registry:
    """Plugins and their components by kind and name."""

    def __init__(self, trace: TextIO | None = None) -> None:
        """``trace``: where each hook call is written with its results."""
        self.plugins: list[Plugin] = []
        self._owners: dict[tuple[str, str], tuple[Plugin, Entry]] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        if trace:
            write_calls(self._manager, trace)
        core = Plugin("kdkit", "kdkit", __version__, "kdkit.plugins.builtin")
        self._register(core, builtin)

    def add(self, plugin: Plugin, load: Callable[[], Any]) -> None:
        """Load one plugin under guard and register what it offers; it is listed whatever happens."""
        self.plugins.append(plugin)
        if plugin.state != "active":
            return
        try:
            with guarded_import() as output:
                module = load()
                self._register(plugin, module)
        except KeyboardInterrupt:
            raise
        except RefusedError as refusal:
            plugin.mark_broken(str(refusal))
        except BaseException as error:  # a plugin may even call sys.exit when it is imported
            plugin.mark_broken(describe_error(error))
        else:
            if plugin.hidden:
                plugin.reason, plugin.remedy = self._hidden_note(plugin)
            elif output.getvalue().strip():
                plugin.reason = "prints when it is imported"

    def names(self, kind: str) -> list[str]:
        """The names of every component of a kind, sorted."""
        return sorted(name for k, name in self._owners if k == kind)

    def find(self, kind: str, name: str) -> tuple[Plugin, Entry]:
        """The entry called ``name``, or ``distribution:name``, and its plugin.

        Raises :class:`UsageError` with the nearest known name.
        """
        distribution, colon, short = name.partition(":")
        if colon:
            for plugin in self.plugins:
                entry = plugin.hidden.get((kind, short)) or next(
                    (entry for entry in plugin.entries[kind] if entry.name == short), None
                )
                if entry is not None and is_named(plugin.distribution, distribution):
                    return plugin, entry
        if (kind, name) not in self._owners:
            raise UsageError(
                f"there is no {kind} called {name!r}; {did_you_mean(name, self.names(kind))}",
                self._broken_note(),
            )
        return self._owners[kind, name]

    def component(self, kind: str, name: str) -> type[Component]:
        """Import the class of a component. Raises :class:`PluginError` when that fails or it is not of its kind."""
        plugin, entry = self.find(kind, name)
        where = f"{kind} {name!r} of {plugin.title}"
        watch_libraries()
        module_name, _, attribute = entry.target.partition(":")
        try:
            with guarded_import(COMPONENT_SECONDS):
                module = import_module(module_name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a component's module may call sys.exit, too
            reason, remedy = describe_error(error), _import_remedy(error, entry.target, plugin)
            raise PluginError(f"the {where} cannot be imported: {reason}", remedy) from error
        if not hasattr(module, attribute):
            near = did_you_mean(attribute, [name for name, value in vars(module).items() if isinstance(value, type)])
            raise PluginError(
                f"the {where} is to be {entry.target}, and {module_name} has no {attribute}; {near}",
                f"Correct the entry in {plugin.module}.",
            )
        cls = getattr(module, attribute)
        try:
            _check_class(cls, kind)
        except RefusedError as refusal:
            raise PluginError(f"the {where} {refusal}", f"Correct {entry.target}.") from refusal
        component: type[Component] = cls
        is_hidden = plugin.hidden.get((kind, entry.name)) is entry
        component.origin = self._origin(kind, entry.target, component, plugin if is_hidden else None, name)
        return component

    def _origin(self, kind: str, target: str, component: type[Component], hidden: Plugin | None, name: str) -> Origin:
        """What the class is known by: of several entries that point at it, the name of the first in the alphabet.

        ``hidden``: the plugin of one whose name another has, which is known by its long name.
        """
        from kdkit.contracts.component import Origin
        from kdkit.plugins.source import is_from_wheel, source_digest

        owners = {
            key: owner for key, (owner, entry) in self._owners.items() if (key[0], entry.target) == (kind, target)
        }
        if hidden is not None:
            owners = {(kind, name): hidden}
        key = min(owners)
        plugin = owners[key]
        earlier = vars(component).get("origin")
        if isinstance(earlier, Origin):
            digest = earlier.digest  # of the code that this process runs, even if its files were edited since
        else:
            digest = "" if is_from_wheel(plugin.distribution, component) else source_digest(component, plugin.file)
        return Origin(key[1], plugin.distribution, plugin.version, digest)

    def _register(self, plugin: Plugin, module: ModuleType) -> None:
        if self._manager.has_plugin(plugin.name):
            raise RefusedError(f"the plugin name {plugin.name!r} is taken")
        try:
            self._manager.register(module, name=plugin.name)
            self._manager.check_pending()
            self._collect(plugin)
        except pluggy.PluginValidationError as error:
            self._withdraw(plugin)
            raise RefusedError(_invalid_hook(error)) from error
        except BaseException:
            self._withdraw(plugin)
            raise

    def _withdraw(self, plugin: Plugin) -> None:
        if self._manager.has_plugin(plugin.name):
            self._manager.unregister(name=plugin.name)
        self._owners = {key: owner for key, owner in self._owners.items() if owner[0] is not plugin}

    def _collect(self, plugin: Plugin) -> None:
        other_plugins = [p for name, p in self._manager.list_name_plugin() if name != plugin.name]
        for kind in KINDS:
            hook = self._manager.subset_hook_caller(f"kdkit_{kind}s", remove_plugins=other_plugins)
            results = hook()
            if len(results) < len(hook.get_hookimpls()):  # pluggy leaves None out
                results = [*results, None]
            for result in results:
                for entry in _check_entries(result, kind):
                    self._claim(plugin, kind, entry)

    def _claim(self, plugin: Plugin, kind: str, entry: Entry) -> None:
        key = (kind, entry.name)
        if key in self._owners:
            # It loses this name, and nothing else.
            plugin.hidden[key] = entry
            return
        self._owners[key] = (plugin, entry)
        plugin.entries[kind].append(entry)

    def _hidden_note(self, plugin: Plugin) -> tuple[str, str]:
        """What a plugin has lost to others that came first, and how to choose."""
        lost = [
            f"its {kind} {name!r} is already registered by {self._owners[kind, name][0].name} "
            f"({self._owners[kind, name][0].distribution})"
            for kind, name in plugin.hidden
        ]
        _, name = next(iter(plugin.hidden))
        return "; ".join(lost), (
            f"In a recipe {plugin.distribution}:{name} means this one; KDKIT_PREFER_PLUGINS={plugin.name} gives it "
            "the name"
        )

    def _broken_note(self) -> str:
        broken_plugins = [p for p in self.plugins if p.state == "broken"]
        notes = [f"The plugin {p.name} is broken and offers nothing: {p.reason}" for p in broken_plugins]
        return "\n  ".join(notes)


def discover(environment: Mapping[str, str] = os.environ) -> Registry:
    """Load every installed plugin.

    ``KDKIT_DISABLE_PLUGINS=a,b`` leaves some out. ``KDKIT_PREFER_PLUGINS=a,b`` has names that several claim go to
    these plugins or distributions first. With ``KDKIT_STRICT_PLUGINS=1`` a broken one raises
    :class:`PluginError`. With ``KDKIT_TRACE_PLUGINS=1`` each hook call is written to standard error.
    """
    disabled_names = set(_names_in(environment, "KDKIT_DISABLE_PLUGINS"))
    registry = Registry(sys.stderr if environment.get("KDKIT_TRACE_PLUGINS") == "1" else None)
    for point in plugin_points(_names_in(environment, "KDKIT_PREFER_PLUGINS")):
        plugin = Plugin(point.name, point.distribution, point.version, point.text)
        if plugin.name in disabled_names:
            plugin.state, plugin.reason = "disabled", "named by KDKIT_DISABLE_PLUGINS"
        elif point.fault:
            plugin.mark_broken(point.fault, point.remedy)
        registry.add(plugin, point.load)
    if environment.get("KDKIT_STRICT_PLUGINS") == "1":
        for plugin in registry.plugins:
            if plugin.state == "broken":
                raise PluginError(
                    f"{plugin.title} is broken: {plugin.reason}",
                    plugin.remedy,
                )
    return registry


def _names_in(environment: Mapping[str, str], variable: str) -> list[str]:
    return [name.strip() for name in environment.get(variable, "").split(",") if name.strip()]


class RefusedError(Exception):
    """A plugin that loads but breaks the rules; the text is the reason."""


def _check_entries(result: Any, kind: str) -> list[Entry]:
    """The entries that a hook returned, if they are what they have to be; else raises :class:`RefusedError`."""
    if not isinstance(result, list | tuple) or not all(isinstance(e, Entry) for e in result):
        raise RefusedError(f"its hook kdkit_{kind}s must return a list of kdkit.Entry, not {_shorten(result)}")
    faults = [fault for entry in result for fault in entry.faults()]
    if faults:
        raise RefusedError(f"its hook kdkit_{kind}s: {faults[0]}")
    return list(result)


def _check_class(cls: Any, kind: str) -> None:
    """Raises :class:`RefusedError` with what is wrong with a component's class."""
    from kdkit import contracts
    from kdkit.contracts.component import CONTRACT_VERSION, Component, ComponentOptions

    names = [kind.capitalize(), *(["Adversary"] if kind == "generator" else [])]
    bases = tuple(getattr(import_module(f"{contracts.__name__}.{name.lower()}"), name) for name in names)
    if not (isinstance(cls, type) and issubclass(cls, bases) and issubclass(cls, Component)):
        raise RefusedError(f"is not a class derived from {' or '.join(f'kdkit.{name}' for name in names)}")
    if not (isinstance(cls.Options, type) and issubclass(cls.Options, ComponentOptions)):
        raise RefusedError("has Options that do not derive from kdkit.ComponentOptions")
    if "name" in cls.Options.model_fields:
        raise RefusedError("has an option called name, by which recipes choose the component itself")
    if not isinstance(cls.contract_version, int):
        raise RefusedError(f"has the contract version {cls.contract_version!r}, which is not a whole number")
    if cls.contract_version > CONTRACT_VERSION:
        raise RefusedError(
            f"is written for contract version {cls.contract_version}; this kdkit has {CONTRACT_VERSION}: "
            "pip install --upgrade kdkit"
        )


def _import_remedy(error: BaseException, target: str, plugin: Plugin) -> str:
    """What to do where the module of an entry's target cannot be imported: the plugin itself stays."""
    module = target.partition(":")[0]
    missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    if missing and f"{module}.".startswith(f"{missing}."):
        return f"Correct the entry in {plugin.module}, or add the module."
    if missing and missing.partition(".")[0] != module.partition(".")[0]:
        owner = plugin.distribution or plugin.title
        return f"Install what offers {missing}; {owner} is to name it among its dependencies."
    return f"Correct {module}."


def _remedy(plugin: Plugin) -> str:
    if plugin.file:
        return ""  # it was named by the user, who has it open in an editor
    if plugin.folder:
        return f"Correct {plugin.module} in {plugin.folder}."
    remove = f"pip uninstall {plugin.distribution}, or " if plugin.distribution else ""
    return f"{remove}set KDKIT_DISABLE_PLUGINS={plugin.name}"


def _invalid_hook(error: pluggy.PluginValidationError) -> str:
    """pluggy's complaint in one line, with the nearest hook's name where a hook is unknown."""
    unknown = re.match(r"unknown hook '(\w+)'", str(error))
    if unknown:
        return f"there is no hook {unknown[1]}; {did_you_mean(unknown[1], [f'kdkit_{kind}s' for kind in KINDS])}"
    return " ".join(str(error).split())


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
