"""What people see: bars and notes on standard error, results on standard output."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import markup
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kdkit.progress import Bar, count_of
from kdkit_cli.session import current
from kdkit_cli.waiting import QuietedConsole, Spinner

STAGE_WIDTH, WHAT_WIDTH = 10, 22
# Seconds until work that nobody watches tells how far it is, and between two such lines.
FIRST_LINE, NEXT_LINE = 10.0, 30.0

out = QuietedConsole(highlight=False, soft_wrap=True)
err = QuietedConsole(stderr=True, highlight=False, soft_wrap=True)
spinner = out.spinner = err.spinner = Spinner(err)


def escape(text: str) -> str:
    """Text as it is shown: nothing in it is markup, and what nobody can see (in a file's name, say) is an escape."""
    visible = (c if _is_visible(c) else c.encode("unicode_escape").decode("ascii") for c in str(text))
    return markup.escape("".join(visible))


def _is_visible(character: str) -> bool:
    """Blanks of any width are, too: one that does not break holds a number and its unit together."""
    return character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"


def note(text: str) -> None:
    """A remark beside the results, on standard error and in the log file, in rich's markup."""
    current.log(markup.render(text).plain)
    if not current.quiet:
        err.print(text)


def print_error(message: str, remedy: str = "") -> None:
    """One clear message on standard error."""
    current.log(f"error: {message}" + (f"\n  {remedy}" if remedy else ""))
    err.print(f"[bold red]error:[/] {escape(message)}")
    if remedy:
        err.print(f"  {escape(remedy)}")


class RichProgress:
    """Shows each piece of work as a bar with the time left.

    Where standard error is no terminal, as under a queue system, a plain line now and then says how far it is.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock

    @contextmanager
    def work(self, stage: str, what: str, total: int, unit: str, done: int = 0) -> Iterator[Bar]:
        """See :class:`kdkit.progress.Progress`."""
        start = self.clock()
        if current.quiet or not err.is_terminal:
            plain_bar = _PlainBar(f"  {stage:<{STAGE_WIDTH}} {what:<{WHAT_WIDTH}}", total, unit, done, self.clock)
            yield plain_bar
            remark = plain_bar.note
        else:
            time_left = TimeRemainingColumn(compact=True, elapsed_when_finished=True)
            label = TextColumn(f"  {stage:<{STAGE_WIDTH}} [bold]{{task.description:<{WHAT_WIDTH}}}[/]")
            count = TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {unit}", justify="right")
            bar_column = BarColumn(bar_width=24)
            columns = label, bar_column, count, time_left, TextColumn("{task.fields[note]}")
            with spinner.hidden(), Progress(*columns, console=err) as progress:
                task = progress.add_task(escape(what), total=total, completed=done, note="")
                rich_bar = _RichBar(progress, task)
                yield rich_bar
            remark = rich_bar.note
        summary = f"{count_of(total, unit)}  {self.clock() - start:.0f} s  {remark}".rstrip()
        line = f"  {stage:<{STAGE_WIDTH}} {what:<{WHAT_WIDTH}} {summary}"
        current.log(line)
        if not (current.quiet or err.is_terminal):
            err.print(escape(line))

    def say(self, stage: str, what: str, text: str) -> None:
        """See :class:`kdkit.progress.Progress`."""
        note(f"  {stage:<{STAGE_WIDTH}} [bold]{escape(what):<{WHAT_WIDTH}}[/] {escape(text)}")


class _RichBar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress = progress
        self.task = task
        self.note = ""

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.progress.update(self.task, advance=steps)
        if note:
            self.note = note
            self.progress.update(self.task, note=note)


class _PlainBar:
    """Prints a line after :data:`FIRST_LINE` seconds and then every :data:`NEXT_LINE`."""

    def __init__(self, label: str, total: int, unit: str, done: int, clock: Callable[[], float]) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = self.first = done
        self.clock = clock
        self.start = clock()
        self.due = self.start + FIRST_LINE
        self.note = ""

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps
        self.note = note or self.note
        if self.clock() >= self.due and self.done < self.total:
            self.due = self.clock() + NEXT_LINE
            line = f"{self.label} {self.done}/{self.total} {self.unit}  {self._time_left()}  {self.note}".rstrip()
            current.log(line)
            if not current.quiet:
                err.print(escape(line))

    def _time_left(self) -> str:
        steps = self.done - self.first
        if steps <= 0:
            return "time left unknown"
        seconds = (self.clock() - self.start) / steps * (self.total - self.done)
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d} left"
