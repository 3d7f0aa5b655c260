"""A spinner wherever a command works and has shown nothing for a moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.live import Live

# Seconds without a word after which the spinner appears.
MOMENT = 0.7


class Spinner:
    """Shows that the command is alive while it says nothing, and vanishes before anything else is shown.

    Only in a terminal: a log gains nothing by it. Loading torch takes seconds, and no stage can put a bar before it.
    """

    def __init__(self, console: Console, moment: float = MOMENT) -> None:
        self.console = console
        self.moment = moment
        self._is_allowed = False
        self._shown_count = 0  # other things that are being shown: a bar, and lines above it
        self._timer: threading.Timer | None = None
        self._live: Live | None = None
        self._lock = threading.RLock()

    @contextmanager
    def running(self, is_allowed: bool) -> Iterator[None]:
        """While a command runs; nothing is ever shown unless ``is_allowed``."""
        self._is_allowed = is_allowed and self.console.is_terminal
        if self._is_allowed:
            # The terminal itself: a stage that keeps a library from printing takes sys.stderr away meanwhile.
            self.console.file = self.console.file
        self._wait()
        try:
            yield
        finally:
            self._is_allowed = False
            self._vanish()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """While something else is shown."""
        with self._lock:
            self._shown_count += 1
            self._vanish()
        try:
            yield
        finally:
            with self._lock:
                self._shown_count -= 1
                self._wait()

    def _wait(self) -> None:
        with self._lock:
            if not self._is_allowed or self._shown_count or self._timer or self._live:
                return
            self._timer = threading.Timer(self.moment, self._show)
            self._timer.daemon = True
            self._timer.start()

    def _show(self) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._timer is not threading.current_thread():
                return  # something else was shown meanwhile
            self._timer = None
            progress = Progress(
                TextColumn(" "),
                SpinnerColumn(),
                TextColumn("[dim]{task.description}[/]"),
                TimeElapsedColumn(),
                console=self.console,
                transient=True,
                redirect_stdout=False,  # results may go elsewhere than the spinner
            )
            progress.add_task("working")
            self._live = progress.live
            self._live.start()

    def _vanish(self) -> None:
        with self._lock:
            if self._timer:
                self._timer.cancel()
                self._timer = None
            if self._live:
                self._live.stop()
                self._live = None


class QuietedConsole(Console):
    """A console before whose lines the spinner vanishes."""

    spinner: Spinner | None = None

    def print(self, *objects, **options) -> None:  # type: ignore[no-untyped-def]  # as rich has them
        """See :meth:`rich.console.Console.print`."""
        if self.spinner is None:
            super().print(*objects, **options)
            return
        with self.spinner.hidden():
            super().print(*objects, **options)
