"""What people see: bars on standard error, results on standard output."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape as escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kdkit.progress import Bar

STAGE_WIDTH, WHAT_WIDTH = 10, 22

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_error(message: str, remedy: str = "") -> None:
    """One clear message on standard error."""
    err.print(f"[bold red]error:[/] {escape(message)}")
    if remedy:
        err.print(f"  {escape(remedy)}")


class RichProgress:
    """Shows each piece of work as a bar with the time left; off a terminal, as one line when it is done."""

    @contextmanager
    def work(self, stage: str, what: str, total: int, unit: str, done: int = 0) -> Iterator[Bar]:
        """See :class:`kdkit.progress.Progress`."""
        if not err.is_terminal:
            yield from self._plain(stage, what, total, unit)
            return
        left = TimeRemainingColumn(compact=True, elapsed_when_finished=True)
        label = TextColumn(f"  {stage:<{STAGE_WIDTH}} [bold]{{task.description:<{WHAT_WIDTH}}}[/]")
        count = TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {unit}", justify="right")
        bar = BarColumn(bar_width=24)
        with Progress(label, bar, count, left, TextColumn("{task.fields[note]}"), console=err) as progress:
            task = progress.add_task(escape(what), total=total, completed=done, note="")
            yield _RichBar(progress, task)

    def _plain(self, stage: str, what: str, total: int, unit: str) -> Iterator[Bar]:
        start, bar = time.monotonic(), _PlainBar()
        yield bar
        told = f"{total} {unit}  {time.monotonic() - start:.0f} s  {bar.note}".rstrip()
        err.print(f"  {stage:<{STAGE_WIDTH}} {escape(what):<{WHAT_WIDTH}} {escape(told)}")

    def say(self, stage: str, what: str, text: str) -> None:
        """See :class:`kdkit.progress.Progress`."""
        err.print(f"  {stage:<{STAGE_WIDTH}} [bold]{escape(what):<{WHAT_WIDTH}}[/] {escape(text)}")


class _RichBar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress = progress
        self.task = task

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.progress.update(self.task, advance=steps)
        if note:
            self.progress.update(self.task, note=note)


class _PlainBar:
    note = ""

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.note = note or self.note
