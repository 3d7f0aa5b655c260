"""Temporary folders that are removed even where their process was killed: by the next one that needs any."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from kdkit.owner import sweep, tag

_PREFIX = "kdkit-"


def make_scratch_folder(purpose: str, parent: Path | None = None) -> Path:
    """A new empty folder, in ``parent`` or among the system's temporary files; whoever asks for it removes it."""
    sweep_scratch_folders(parent or Path(tempfile.gettempdir()))
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-{tag()}-", dir=parent))


@contextmanager
def scratch_folder(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """As :func:`make_scratch_folder`, for the body of a ``with``."""
    folder = make_scratch_folder(purpose, parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def sweep_scratch_folders(parent: Path) -> None:
    """Remove the folders there whose processes have ended; once in a process."""
    sweep(parent.glob(f"{_PREFIX}*"))
