"""Finding plugins, loading each under guard, and the registry of named components.

Discovery reads the entry points of the group ``kdkit``. Each hook module is imported, registered with pluggy and
asked for its entries inside a guard of its own: one that fails is kept as *broken* with the reason, contributes
nothing, and everything else goes on. A component's class is imported only when it is asked for.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from kdkit import builtin, hookspecs
from kdkit.entry import KINDS, Entry
from kdkit.errors import PluginError, UsageError, did_you_mean

if TYPE_CHECKING:
    from kdkit.contracts.component import Component

GROUP = "kdkit"
State = Literal["active", "disabled", "broken"]


@dataclass
class Plugin:
    """An installed plugin, as found. ``reason`` says why it is broken or disabled."""

    name: str
    distribution: str
    version: str
    module: str
    state: State = "active"
    reason: str = ""
    remedy: str = ""
    entries: dict[str, list[Entry]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def break_(self, reason: str) -> None:
        """Mark as broken; whatever it had offered is withdrawn."""
        self.state, self.reason = "broken", reason
        remove = f"pip uninstall {self.distribution}, or " if self.distribution else ""
        self.remedy = f"{remove}set KDKIT_DISABLE_PLUGINS={self.name}"
        self.entries = {kind: [] for kind in KINDS}


class _Found:
    """An entry point as it lies on disk: not yet imported."""

    def __init__(self, plugin: Plugin, load: Callable[[], Any]) -> None:
        self.plugin = plugin
        self.load = load


class Registry:
    """Plugins and their components by kind and name."""

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self._owners: dict[tuple[str, str], tuple[Plugin, Entry]] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        core = Plugin("kdkit", "kdkit", "", "kdkit.builtin")
        self._register(core, builtin)

    def add(self, plugin: Plugin, load: Callable[[], Any]) -> None:
        """Load one plugin under guard and register what it offers; it is listed whatever happens."""
        self.plugins.append(plugin)
        if plugin.state != "active":
            return
        try:
            with _quiet() as printed:
                module = load()
                self._register(plugin, module)
        except KeyboardInterrupt:
            raise
        except _RefusedError as refusal:
            plugin.break_(str(refusal))
        except BaseException as error:  # a plugin may even call sys.exit when it is imported
            plugin.break_(_reason(error))
        else:
            if printed.getvalue().strip():
                plugin.reason = "prints when it is imported"

    def names(self, kind: str) -> list[str]:
        """The names of every component of a kind, sorted."""
        return sorted(name for k, name in self._owners if k == kind)

    def find(self, kind: str, name: str) -> tuple[Plugin, Entry]:
        """The entry called ``name`` and its plugin. Raises :class:`UsageError` with the nearest known name."""
        if (kind, name) not in self._owners:
            raise UsageError(
                f"there is no {kind} called {name!r}; {did_you_mean(name, self.names(kind))}",
                self._broken_note(),
            )
        return self._owners[kind, name]

    def component(self, kind: str, name: str) -> type[Component]:
        """Import the class of a component. Raises :class:`PluginError` when that fails or it is not of its kind."""
        plugin, entry = self.find(kind, name)
        where = f"{kind} {name!r} of the plugin {plugin.name} ({plugin.distribution} {plugin.version})"
        module, _, attribute = entry.target.partition(":")
        try:
            cls = getattr(import_module(module), attribute)
        except Exception as error:
            raise PluginError(f"the {where} cannot be imported: {_reason(error)}") from error
        _check_class(cls, kind, where)
        return cls

    def _register(self, plugin: Plugin, module: ModuleType) -> None:
        try:
            self._manager.register(module, name=plugin.name)
            self._manager.check_pending()
            self._collect(plugin)
        except BaseException:
            self._withdraw(plugin)
            raise

    def _withdraw(self, plugin: Plugin) -> None:
        if self._manager.has_plugin(plugin.name):
            self._manager.unregister(name=plugin.name)
        self._owners = {key: owned for key, owned in self._owners.items() if owned[0] is not plugin}

    def _collect(self, plugin: Plugin) -> None:
        others = [p for name, p in self._manager.list_name_plugin() if name != plugin.name]
        for kind in KINDS:
            hook = self._manager.subset_hook_caller(f"kdkit_{kind}s", remove_plugins=others)
            for returned in hook():
                for entry in _checked(returned, kind):
                    self._claim(plugin, kind, entry)

    def _claim(self, plugin: Plugin, kind: str, entry: Entry) -> None:
        key = (kind, entry.name)
        if key in self._owners:
            owner = self._owners[key][0]
            raise _RefusedError(
                f"its {kind} {entry.name!r} is already registered by {owner.name} ({owner.distribution})"
            )
        self._owners[key] = (plugin, entry)
        plugin.entries[kind].append(entry)

    def _broken_note(self) -> str:
        broken = [p for p in self.plugins if p.state == "broken"]
        notes = [f"The plugin {p.name} is broken and offers nothing: {p.reason}" for p in broken]
        return "\n  ".join(notes)


def discover(environment: Mapping[str, str] = os.environ) -> Registry:
    """Load every installed plugin. With ``KDKIT_STRICT_PLUGINS=1`` a broken one raises :class:`PluginError`."""
    disabled = {name.strip() for name in environment.get("KDKIT_DISABLE_PLUGINS", "").split(",")}
    registry = Registry()
    for found in sorted(_entry_points(), key=lambda f: f.plugin.name):
        if found.plugin.name in disabled:
            found.plugin.state, found.plugin.reason = "disabled", "named by KDKIT_DISABLE_PLUGINS"
        registry.add(found.plugin, found.load)
    if environment.get("KDKIT_STRICT_PLUGINS") == "1":
        for plugin in registry.plugins:
            if plugin.state == "broken":
                raise PluginError(
                    f"the plugin {plugin.name} ({plugin.distribution} {plugin.version}) is broken: {plugin.reason}",
                    plugin.remedy,
                )
    return registry


class _RefusedError(Exception):
    """A plugin that loads but breaks the rules; the text is the reason."""


def _entry_points() -> list[_Found]:
    import entrypoints

    found: dict[str, _Found] = {}
    for config, distribution in entrypoints.iter_files_distros():
        if GROUP not in config:
            continue
        # Folders of metadata write the name with underscores; people and pip write it with dashes.
        name_of = distribution.name.replace("_", "-") if distribution else ""
        version = distribution.version if distribution else ""
        for name, text in config[GROUP].items():
            plugin = Plugin(name, name_of, version, text)
            load: Callable[[], Any] = _never
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    point = entrypoints.EntryPoint.from_string(text, name, distribution)
                load = point.load
            except entrypoints.BadEntryPoint:
                plugin.break_(f"its entry point {text!r} is not of the form package.module")
            if name in found and (found[name].plugin.distribution != name_of):
                other = found[name].plugin
                plugin.break_(f"the plugin name {name!r} is taken by {other.distribution} {other.version}")
                found[f"{name} ({name_of})"] = _Found(plugin, load)
            else:
                # The same distribution can be met twice, through two folders of the path: the first one wins.
                found.setdefault(name, _Found(plugin, load))
    return list(found.values())


def _never() -> Any:
    raise AssertionError("a broken plugin is not loaded")


@contextlib.contextmanager
def _quiet() -> Any:
    """What a plugin prints at import must not spoil a command's own output."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


def _checked(returned: Any, kind: str) -> list[Entry]:
    if not isinstance(returned, list | tuple) or not all(isinstance(e, Entry) for e in returned):
        raise _RefusedError(f"its hook kdkit_{kind}s must return a list of kdkit.Entry, not {_shown(returned)}")
    faults = [fault for entry in returned for fault in entry.faults()]
    if faults:
        raise _RefusedError(f"its hook kdkit_{kind}s: {faults[0]}")
    return list(returned)


def _check_class(cls: Any, kind: str, where: str) -> None:
    from kdkit import contracts
    from kdkit.contracts.component import CONTRACT_VERSION, Component, ComponentOptions

    base = getattr(import_module(f"{contracts.__name__}.{kind}"), kind.capitalize())
    if not (isinstance(cls, type) and issubclass(cls, base) and issubclass(cls, Component)):
        raise PluginError(f"the {where} is not a class derived from kdkit.{base.__name__}")
    if not (isinstance(cls.Options, type) and issubclass(cls.Options, ComponentOptions)):
        raise PluginError(f"the {where} has Options that do not derive from kdkit.ComponentOptions")
    if cls.contract_version > CONTRACT_VERSION:
        raise PluginError(
            f"the {where} is written for contract version {cls.contract_version}; this kdkit has {CONTRACT_VERSION}",
            "pip install --upgrade kdkit",
        )


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}, line {error.lineno})"
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code!r})"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
