"""What a plugin's hooks return: entries, which name components without importing them."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("generator", "teacher", "student", "metric", "objective", "domain")


@dataclass(frozen=True)
class Entry:
    """A component that a plugin offers.

    ``name`` is what recipes call it (lower case, digits and dashes), ``summary`` one line for people, and ``target``
    the import path ``package.module:Class``. The class is imported when a recipe names it, not before.

    Example::

        Entry("phantom", "Simulated apical four-chamber clips", "kdkit_echocardio.generator:Phantom")
    """

    name: str
    summary: str
    target: str

    def faults(self) -> list[str]:
        """What is wrong with this entry, as sentences; an empty list when nothing is."""
        found = []
        if not isinstance(self.name, str) or not self.name or set(self.name) - _NAME_CHARACTERS:
            found.append(f"the name {self.name!r} may hold lower-case letters, digits and dashes only")
        if not isinstance(self.summary, str) or not self.summary.strip() or "\n" in self.summary:
            found.append(f"{self.name!r} needs a summary of one line")
        module, colon, attribute = str(self.target).partition(":")
        if not (colon and all(p.isidentifier() for p in module.split(".")) and attribute.isidentifier()):
            found.append(f"{self.name!r} points at {self.target!r}, which is not of the form package.module:Class")
        return found


_NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyz0123456789-")
