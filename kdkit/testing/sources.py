"""The sources that ``kdkit plugins verify`` last found sound, noted in the user's folder of state."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from kdkit.atomic import read_json, write_json
from kdkit.contracts.component import Component, origin_of
from kdkit.errors import StoreError
from kdkit.plugins.registry import Plugin
from kdkit.plugins.source import source_digest

FILE = "verified.json"


class VerifiedSources:
    """Declared version and digest of each component when it was last verified, by distribution, kind and name.

    A convenience: where the file cannot be read or written, nothing was verified before.
    """

    def __init__(self, file: Path | None, entries: dict[str, Any]) -> None:
        self.file = file
        self._entries = entries

    @classmethod
    def read(cls) -> VerifiedSources:
        """What is noted for this user."""
        file = _state_file()
        content = read_json(file) if file else None
        return cls(file, content if isinstance(content, dict) else {})

    def compare(self, component: type[Component], plugin: Plugin) -> list[str]:
        """Advice when the source is another than the one last verified under the same version; notes the new one."""
        origin = origin_of(component)
        key = f"{origin.distribution or plugin.file} {component.kind} {origin.name}"
        now = {"version": component.version, "digest": source_digest(component, plugin.file)}
        then = self._entries.get(key)
        self._entries[key] = now
        if not isinstance(then, dict) or then.get("version") != now["version"] or then.get("digest") == now["digest"]:
            return []
        return [
            f"the code has changed since it was last verified, and version is still {component.version!r}. Raise it "
            "if the same options now give other results; else what installed older code made is used again."
        ]

    def write(self) -> None:
        """Keep what was noted."""
        if self.file:
            with contextlib.suppress(StoreError):
                write_json(self.file, self._entries)


def _state_file() -> Path | None:
    state = os.environ.get("XDG_STATE_HOME")
    try:
        folder = Path(state) if state else Path.home() / ".local" / "state"
    except RuntimeError:  # an account without a home, as in some containers
        return None
    return folder / "kdkit" / FILE
