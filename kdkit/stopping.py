"""How a process is asked to end: by Ctrl-C, or by SIGTERM, which is the same but for the exit code."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED, TERMINATED = 130, 143


class _Request:
    """The first signal that asked this process to end, and when; 0 before."""

    signal = 0
    moment = 0.0


def handle_signals() -> None:
    """From here on both raise :class:`KeyboardInterrupt` in the main thread, from which this has to be called."""
    if threading.current_thread() is not threading.main_thread():
        return
    forget()
    # A shell that starts a command in the background has it ignore Ctrl-C, which stays so.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)


def note(number: int) -> None:
    """Remember that this signal came: for whoever handles it in another way for a while."""
    if not _Request.signal:
        _Request.signal, _Request.moment = number, time.monotonic()


def forget() -> None:
    """What was asked before is done with: work that begins now is not to end of it."""
    _Request.signal, _Request.moment = 0, 0.0


def is_asked() -> bool:
    """Whether this process was asked to end."""
    return bool(_Request.signal)


def seconds_since() -> float:
    """How long ago it was asked to; 0 when it was not."""
    return time.monotonic() - _Request.moment if _Request.signal else 0.0


@contextmanager
def defer_interruptions() -> Iterator[tuple[Callable[[], Any], Callable[[], None]]]:
    """Defer an interruption until it is safe to raise; yields two functions, ``ignore_interruptions`` and ``check``.

    Raised anywhere inside the pool's own code, KeyboardInterrupt can leave a lock closed for ever; ``check`` raises
    it where that is safe. ``ignore_interruptions`` is a context in which they are ignored, which new processes
    inherit: one interrupted while it starts would break the whole pool.
    """
    interruption = threading.Event()

    def check() -> None:
        if interruption.is_set():
            raise KeyboardInterrupt

    def defer(number: int, frame: Any) -> None:
        note(number)
        interruption.set()

    with _handle_with(defer, signal.SIGINT, signal.SIGTERM):
        yield lambda: _handle_with(signal.SIG_IGN, signal.SIGINT), check


@contextmanager
def answer_with(end: Callable[[], None]) -> Iterator[None]:
    """A request to end calls ``end``, in the middle of whatever the main thread does, and raises nothing."""

    def answer(number: int, frame: Any) -> None:
        note(number)
        end()

    with _handle_with(answer, signal.SIGINT, signal.SIGTERM):
        yield


def exit_code() -> int:
    """What a process that was stopped exits with."""
    return TERMINATED if _Request.signal == signal.SIGTERM else INTERRUPTED


def _stop(number: int, frame: FrameType | None) -> None:
    note(number)
    raise KeyboardInterrupt


@contextmanager
def _handle_with(handler: Any, *signals: int) -> Iterator[None]:
    # Only the main thread is interrupted, and only it may say what then happens.
    is_main = threading.current_thread() is threading.main_thread()
    # What ends the process as it is, or is ignored, stays so.
    own = [number for number in signals if is_main and callable(signal.getsignal(number))]
    previous = [signal.signal(number, handler) for number in own]
    try:
        yield
    finally:
        for number, before in zip(own, previous, strict=True):
            signal.signal(number, before)
