"""Saying that a promise is broken: what was seen, why it matters, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn
from unittest import SkipTest

SHOWN = 240


class BrokenPromiseError(AssertionError):
    """A component does not do what its contract says."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}\n  Why it matters: {why}\n  What to do: {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy


class MissingExampleError(Exception):
    """The suite was not told what to try the component with; the text says what it needs."""


class ContractAdvice(UserWarning):
    """Something that is allowed and that users will nevertheless notice."""


def require(kept: bool, what: str, why: str, remedy: str) -> None:
    """Raise :class:`BrokenPromiseError` unless ``kept``."""
    __tracebackhide__ = True  # pytest then shows the contract's own line
    if not kept:
        raise BrokenPromiseError(what, why, remedy)


def attempt(action: Callable[[], Any], what: str, why: str, remedy: str) -> Any:
    """The result of ``action()``; when it raises, a promise is broken: ``what`` and the exception."""
    __tracebackhide__ = True
    try:
        return action()
    except Exception as error:
        raise BrokenPromiseError(f"{what}: {one_line(error)}", why, remedy) from error


def does_not_apply(reason: str) -> NoReturn:
    """Leave a promise out for a component that cannot break it; pytest shows it as skipped."""
    __tracebackhide__ = True
    raise SkipTest(reason)


def one_line(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
