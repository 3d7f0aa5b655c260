"""How stages tell what they are doing, whoever is listening."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


def count_of(number: int, unit: str) -> str:
    """``1 epoch``, ``8 epochs``: a number and the unit of a piece of work, which is given in the plural."""
    return f"{number} {unit.removesuffix('s') if number == 1 else unit}"


class Bar(Protocol):
    """One piece of work under way."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """``steps`` more are done, 0: a part of one; ``note`` is a short remark beside the bar (a loss, say)."""


class Progress(Protocol):
    """Receives what the stages report."""

    def work(self, stage: str, what: str, total: int, unit: str, done: int = 0) -> AbstractContextManager[Bar]:
        """A bar of ``total`` steps for a piece of work, ``done`` of which were done earlier."""
        ...

    def say(self, stage: str, what: str, text: str) -> None:
        """A line without a bar."""


class Silence:
    """A :class:`Progress` that nobody hears: other ranks, and callers from Python."""

    @contextmanager
    def work(self, stage: str, what: str, total: int, unit: str, done: int = 0) -> Iterator[Bar]:
        yield self

    def say(self, stage: str, what: str, text: str) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        pass
