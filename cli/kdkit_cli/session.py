"""How much a command says, and where: what ``--verbose``, ``--quiet``, ``--traceback`` and ``--log-file`` set."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Session:
    """One call of ``kdkit``.

    ``log_file``: receives a dated line for everything that is reported. ``hardware``: what was given of the recipe's
    ``trainer`` section. ``keeps_work``: whether the command, stopped and given again, goes on where it stopped.
    """

    verbose: bool = False
    quiet: bool = False
    traceback: bool = False
    log_file: Path | None = None
    hardware: dict[str, Any] = field(default_factory=dict)
    keeps_work: bool = False

    def log(self, text: str) -> None:
        """Append the lines of ``text`` to the log file, if there is one."""
        if self.log_file is None:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        with self.log_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{stamp} {line}\n" for line in text.splitlines())


current = Session()


def reset() -> None:
    """Begin as a new process would."""
    current.__init__()  # type: ignore[misc]
