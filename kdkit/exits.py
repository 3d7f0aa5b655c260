"""The process ends when kdkit is done with it: foreign code that ends it, also with exit code 0, is refused.

A script would go on after an exit code of 0 as if all results were there.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

# What ends a process past Python, or puts another program in its place.
NAMES = ("_exit", "abort", "execv", "execve")

end_process = os._exit
"""End this process at once, with an exit code; kdkit's own way, which is never refused."""


class EndedError(Exception):
    """Foreign code tried to end the process, or did not come to its own end."""


class _State:
    """``report``: tells of a library that ends the process ``owner``, and gives the exit code. ``kept``: what the C
    library calls at exit, which has to live as long as the process."""

    report: Callable[[EndedError], int] | None = None
    owner = 0
    kept: tuple[Any, ...] = ()


@contextmanager
def refuse_exits() -> Iterator[None]:
    """Within, ``os._exit`` and its like raise :class:`EndedError`; in forks of this process they work."""
    system: Any = os
    owner, kept = os.getpid(), {name: getattr(os, name) for name in NAMES if hasattr(os, name)}

    def refusing(name: str) -> Callable[..., Any]:
        def refuse(*arguments: Any) -> Any:
            if os.getpid() != owner:
                return kept[name](*arguments)
            raise EndedError(f"it tries to end the process, by os.{name}")

        return refuse

    for name in kept:
        setattr(system, name, refusing(name))
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(system, name, function)


@contextmanager
def report_exits(report: Callable[[EndedError], int]) -> Iterator[None]:
    """As :func:`refuse_exits`; and a library in C that calls ``exit`` ends the process with the code that ``report``
    gives, from :func:`watch_libraries` on."""
    _State.report, _State.owner = report, os.getpid()
    try:
        with refuse_exits():
            yield
    finally:
        _State.report = None


def describe_end(code: int) -> str:
    """How a process ended that had not handed in its work, as the end of a sentence that begins with its name."""
    if code < 0:
        return "was killed, perhaps for lack of memory"
    return f"ended with exit code {code} before its work was done: some code in it ends the process"


def watch_libraries() -> None:
    """Have the C library tell when one calls its ``exit``; nothing where it cannot, or nobody wants to know."""
    if _State.report is None or _State.kept:
        return
    import ctypes  # some milliseconds, for commands that load a component alone

    with suppress(OSError, TypeError, AttributeError):  # Windows has no such functions
        library = ctypes.CDLL(None)
        owner = ctypes.c_char()
        handle = ctypes.c_void_p(ctypes.addressof(owner))
        answer = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: _answer_exit())
        forget = library.__cxa_finalize
        library.__cxa_atexit(answer, None, handle)
        _State.kept = owner, answer
        # Called once, and not again when Python, which it needs, has ended.
        atexit.register(forget, handle)


def _answer_exit() -> None:
    if _State.report is None or os.getpid() != _State.owner:
        return
    frame = sys._getframe()
    for _ in range(2):  # who has called; nobody where a library's own thread did
        frame = frame.f_back or frame
    error = EndedError("a library has ended the process, by exit")
    end_process(_State.report(error.with_traceback(_traceback_to(frame))))


def _traceback_to(frame: FrameType | None) -> TracebackType | None:
    """As an error has that was raised in ``frame``."""
    traceback = None
    while frame is not None:
        traceback = TracebackType(traceback, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return traceback
