"""Showing each hook call with its results: what KDKIT_TRACE_PLUGINS=1 prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import pluggy

from kdkit.entry import Entry


def write_calls(manager: pluggy.PluginManager, stream: TextIO) -> None:
    """Write a line to ``stream`` for every hook that the manager calls from now on and that a plugin implements."""

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]) -> None:
        """Nothing to write yet."""

    def after(
        outcome: pluggy.Result[Any],
        hook: str,
        implementations: Sequence[pluggy.HookImpl],
        arguments: Mapping[str, Any],
    ) -> None:
        if implementations:
            owners = ", ".join(implementation.plugin_name for implementation in implementations)
            stream.write(f"trace: {owners}  {hook}() {_outcome_text(outcome)}\n")

    manager.add_hookcall_monitoring(before, after)


def _outcome_text(outcome: pluggy.Result[Any]) -> str:
    error = outcome.exception
    if error is not None:
        return f"raised {type(error).__name__}: {error}"
    return "-> " + ("; ".join(_entries_text(result) for result in outcome.get_result()) or "nothing")


def _entries_text(result: Any) -> str:
    if isinstance(result, list | tuple) and all(isinstance(entry, Entry) for entry in result):
        return ", ".join(f"{entry.name} ({entry.target})" for entry in result) or "nothing"
    return repr(result)
