"""The exceptions that kdkit raises on purpose.

Each carries a message (what was wrong, and where) and, where there is one, a remedy (what to do). The command line
prints both without a traceback and exits with ``exit_code``.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


class KdkitError(Exception):
    """Something that the user can understand and mend."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message

    @property
    def line(self) -> str:
        """Message and remedy on one line, for tables and lists."""
        return f"{self.message.rstrip('.')}. {self.remedy}" if self.remedy else self.message


class UsageError(KdkitError):
    """A name or a combination of options that does not exist."""

    exit_code = 2


class HardwareError(UsageError):
    """Hardware that the machine does not have; ``options`` are those that ask for it, as a recipe names them."""

    def __init__(self, message: str, options: Sequence[str]) -> None:
        super().__init__(message, "Change the options under trainer in the recipe, or leave them at auto.")
        self.options = list(options)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.options)


@dataclass(frozen=True)
class Problem:
    """One fault of a recipe: the dotted ``path`` of the option, and what is wrong with it."""

    path: str
    message: str


class RecipeError(KdkitError):
    """A recipe with one or more faults, all of them listed."""

    exit_code = 2

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = list(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        width = max((len(p.path) for p in self.problems), default=0)
        lines = [f"{p.path:<{width}}  {p.message}".strip() for p in self.problems]
        super().__init__(f"{count} in {source}", "\n  ".join(lines))


class PluginError(KdkitError):
    """A plugin, or a component of one, that cannot be used."""


class WeightsError(KdkitError):
    """A weights file that is missing, unreadable, or made for another architecture."""


class DataError(KdkitError):
    """An input that cannot be read or does not fit."""


class StoreError(KdkitError):
    """An artifact on disk that cannot be written or read back."""


def is_disk_full(error: OSError) -> bool:
    """Whether there was no room: on the disk, in the user's share of it, or in a file of its kind."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritable(what: str, error: OSError, elsewhere: str) -> StoreError:
    """The error for ``what`` the system did not let be written.

    ``elsewhere``: how the user chooses another place, as the end of a sentence that begins in small letters.
    """
    if is_disk_full(error):
        remedy = f"Free some space, or {elsewhere}"
    elif error.errno in (errno.EACCES, errno.EPERM):
        remedy = f"Allow writing there, or {elsewhere}"
    else:  # a read-only file system, a broken disk: nothing that is done there helps
        remedy = f"{elsewhere[0].upper()}{elsewhere[1:]}"
    return StoreError(f"cannot write {what}: {error.strerror or error}", remedy)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`` did you mean X?`` when a known name is near to ``name``, else the known names themselves."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(sorted(known))}" if known else "none is installed"
