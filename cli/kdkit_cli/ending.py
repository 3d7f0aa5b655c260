"""A process ends when all is said, also where a plugin has left a thread, or a function at exit, that never does."""

from __future__ import annotations

import sys
import threading
import time

from kdkit.exits import end_process

# How long what is left to do at exit may take; ending other processes takes ten seconds.
PATIENCE = 20.0


class _State:
    is_watched = False
    code = 0


def watch() -> None:
    """See to it from here on, in a thread that does not count for Python itself."""
    if not _State.is_watched:
        _State.is_watched = True
        threading.Thread(target=_end_in_time, daemon=True).start()


def note_code(end: SystemExit) -> None:
    """Remember what the process is to exit with."""
    _State.code = end.code if isinstance(end.code, int) else int(end.code is not None)


def _end_in_time() -> None:
    threading.main_thread().join()
    time.sleep(PATIENCE)
    sys.stderr.write("note: a plugin keeps this process from ending; it is ended\n")
    sys.stderr.flush()
    end_process(_State.code)
