"""How much a command says, and where: what ``--verbose``, ``--quiet``, ``--traceback`` and ``--log-file`` set."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO


@dataclass
class Session:
    """One call of ``kdkit``.

    ``log_file``: receives a dated line for everything that is reported. ``hardware``: what was given of the recipe's
    ``trainer`` section. ``results``: where JSON goes; None while that is standard output.
    ``trainer`` section. ``keeps_work``: whether the command, stopped and given again, goes on where it stopped.
    """

    verbose: bool = False
    quiet: bool = False
    traceback: bool = False
    log_file: Path | None = None
    hardware: dict[str, Any] = field(default_factory=dict)
    results: TextIO | None = None
    keeps_work: bool = False

    def log(self, text: str) -> None:
        """Append the lines of ``text`` to the log file, if there is one."""
        if self.log_file is None:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        with self.log_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{stamp} {line}\n" for line in text.splitlines())

    def reserve_output(self) -> None:
        """Keep standard output for the JSON alone: what others print, even at exit or past Python, is no part of it.

        From here on it goes to standard error. Nothing is done where standard output is no file of this process.
        """
        stream = sys.__stdout__
        if self.results is not None or stream is None or sys.stdout is not stream:
            return
        with suppress(OSError, ValueError):
            stream.flush()
            copy = os.dup(1)
            os.dup2(2, 1)
            self.results = os.fdopen(copy, "w", encoding="utf-8")

    def write_json(self, content: Any, indent: int | None = 2) -> None:
        """Print what a program reads: the one thing on standard output."""
        stream = self.results or sys.stdout
        stream.write(json.dumps(content, indent=indent, allow_nan=False) + "\n")
        stream.flush()


current = Session()


def reserve_output(is_requested: bool) -> bool:
    """What the option ``--json`` does before a command begins."""
    if is_requested:
        current.reserve_output()
    return is_requested


def reset() -> None:
    """Begin as a new process would."""
    current.__init__()  # type: ignore[misc]
