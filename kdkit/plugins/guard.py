"""Importing a plugin's code so that neither its errors nor what it prints reach anybody else."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kdkit.exits import EndedError, refuse_exits

IMPORT_SECONDS = 60.0
"""An import that takes longer is taken for one that never ends."""
LONGEST_REASON = 1000


@contextlib.contextmanager
def guarded_import(seconds: float | None = None) -> Iterator[io.StringIO]:
    """Around the import of a plugin's module: what it prints is kept from everybody, by whatever way it prints.

    What it sets for the whole process, as scripts do, is set back: others count on it.
    An import that calls ``os._exit``, takes longer than ``seconds`` (:data:`IMPORT_SECONDS`) or raises
    KeyboardInterrupt raises an ordinary exception; a real interruption stays one.
    """
    limit = seconds or IMPORT_SECONDS
    with quiet_output() as output, _kept_settings(), _quiet_descriptors(), refuse_exits(), _watch(limit):
        yield output


@contextlib.contextmanager
def quiet_output() -> Iterator[io.StringIO]:
    """What a plugin prints at import must not spoil a command's own output."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        yield output


@contextlib.contextmanager
def _quiet_descriptors() -> Iterator[None]:
    """Libraries in C, and ``os.write``, print past Python."""
    kept = []
    with contextlib.suppress(OSError):  # a process without standard output has nothing to spoil
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        with Path(os.devnull).open("wb") as nowhere:
            for descriptor in (1, 2):
                kept.append((os.dup(descriptor), descriptor))
                os.dup2(nowhere.fileno(), descriptor)
    try:
        yield
    finally:
        for copy, descriptor in kept:
            os.dup2(copy, descriptor)
            os.close(copy)


@contextlib.contextmanager
def _kept_settings() -> Iterator[None]:
    """The working directory, the rights of new files, the depth of calls, and torch's default type and gradients."""
    depth, rights = sys.getrecursionlimit(), os.umask(0o077)
    os.umask(rights)
    folder = None
    with contextlib.suppress(OSError):  # it was removed
        folder = Path.cwd()
    torch = sys.modules.get("torch")
    kind, has_gradients = (torch.get_default_dtype(), torch.is_grad_enabled()) if torch else (None, True)
    try:
        yield
    finally:
        sys.setrecursionlimit(depth)
        os.umask(rights)
        if folder is not None:
            os.chdir(folder)
        if torch := sys.modules.get("torch"):
            torch.set_default_dtype(kind or torch.float32)
            torch.set_grad_enabled(has_gradients)


@contextlib.contextmanager
def _watch(seconds: float) -> Iterator[None]:
    """Signals reach the main thread alone; in others nothing is watched, and on Windows there is no alarm."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    interrupted = False

    def noting(handler: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any) -> Any:
            nonlocal interrupted
            interrupted = True
            return handler(*arguments)

        return note

    def ring(*_: Any) -> None:
        raise EndedError(f"its import has not ended after {seconds:g} s")

    handlers: dict[signal.Signals, Any] = {signal.SIGALRM: signal.signal(signal.SIGALRM, ring)}
    # Whatever handles a request to stop goes on handling it.
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if handler is not None:  # None: a library in C has set it, which nobody here can set back
            handlers[number] = handler
        if callable(handler):
            signal.signal(number, noting(handler))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except KeyboardInterrupt as error:
        if interrupted:
            raise
        raise EndedError("it raises KeyboardInterrupt") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def pass_on_interruption(error: BaseException) -> None:
    """Raise an interruption again; anything else that foreign code raises is a fault of that code.

    That is more than :class:`Exception`: ``sys.exit``, and the panics of libraries that are written in Rust.
    """
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        raise error


def describe_error(error: BaseException) -> str:
    """The type and the first line of an error, of which no more than a terminal holds."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}, line {error.lineno})"
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code!r})"
    lines = message_of(error).splitlines()
    if isinstance(error, EndedError):
        return lines[0]
    text = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} …"


def message_of(error: BaseException) -> str:
    """What an error says, without blanks around it; its own ``__str__`` may fail, too."""
    try:
        return str(error).strip()
    except Exception:
        return "its message cannot be read"
