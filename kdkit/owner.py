"""Which process owns a file that is to live no longer than it does: by a tag in the file's name."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

# Nothing that carries a tag is needed for so long; by that, what a machine that is gone has left counts as nobody's.
_FORGOTTEN_SECONDS = 24 * 3600.0
_TAG = re.compile(r"(?<![0-9a-f])([0-9a-f]{8})-(\d+)-(\d+)(?![0-9a-f])")


def process_start(process: int) -> float | None:
    """When the process with this number began, in seconds of the epoch; None if there is none.

    With the number it names a process: numbers are used again.
    """
    import psutil  # a hundredth of a second that most commands can do without

    try:
        candidate = psutil.Process(process)
        return None if candidate.status() == psutil.STATUS_ZOMBIE else float(candidate.create_time())
    except psutil.AccessDenied:  # another user's, and there
        return 0.0
    except psutil.Error:
        return None


def is_running(process: int, start: float) -> bool:
    """Whether the process with this number is there and is the one that began at ``start``."""
    current = process_start(process)
    # The system's clock may have been set right in between; numbers do not come round within seconds.
    return current is not None and (current == 0.0 or abs(current - start) < 2.0)


def host() -> str:
    """This machine, and within it the space in which process numbers are told apart (a container's own, say)."""
    with suppress(OSError):
        return f"{platform.node()} {Path('/proc/self/ns/pid').readlink()}"
    return platform.node()


def tag() -> str:
    """What a file's name carries that belongs to this process: its machine, number and start."""
    return _tag_of(os.getpid())


def is_abandoned(path: Path) -> bool:
    """Whether the process that this file's tag names has ended; False for a name without a tag."""
    # The last one: the names of shards, which come before it, may look the same.
    match = next(reversed(list(_TAG.finditer(path.name))), None)
    if match is None:
        return False
    machine, process, start = match[1], int(match[2]), float(match[3])
    if machine == _machine():
        return not is_running(process, start)
    try:
        return time.time() - path.lstat().st_mtime > _FORGOTTEN_SECONDS
    except OSError:
        return False


def sweep(paths: Iterable[Path]) -> None:
    """Remove those of these files and folders that are abandoned."""
    for path in paths:
        if is_abandoned(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink(missing_ok=True)


@cache
def _tag_of(process: int) -> str:  # a fork is another process
    return f"{_machine()}-{process}-{int(process_start(process) or time.time())}"


@cache
def _machine() -> str:
    import hashlib  # every command imports this module, few need it

    return hashlib.sha256(host().encode()).hexdigest()[:8]
