"""What a mistake of a plugin author is, and what is to be said of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """In ``file`` of the package ``old`` becomes ``new``; without ``old``, ``new`` is added; "*" removes the file.

    ``said``: regular expressions that what verify prints has to match, without any it is tried in a run alone;
    ``broken``: how many promises are broken, 0 where it is an advice. ``is_quick``: it is told of before any network
    is built. ``said_by_run``: the same of a run, which ends with it; ``doubted``: the run goes on, in doubt.
    ``more``: further changes of the same mistake, (file, old, new) each.
    """

    name: str
    file: str
    old: str
    new: str
    said: tuple[str, ...] = ()
    broken: int = 1
    is_quick: bool = False
    said_by_run: tuple[str, ...] = ()
    doubted: bool = False
    more: tuple[tuple[str, str, str], ...] = ()
