"""What one file from a stranger may ask for: memory, and that it ends; and reading limits from the environment."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from kdkit.errors import DataError, UsageError

VARIABLE = "KDKIT_LARGEST_FILE"
_DEFAULT = 2 * 10**9
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def largest_bytes() -> int:
    """How many bytes one file may become in memory: ``KDKIT_LARGEST_FILE`` (500MB, 8GB, ...), or 2 GB.

    Raises :class:`kdkit.KdkitError` when the variable says something else.
    """
    return bytes_from_environment(VARIABLE, _DEFAULT)


def bytes_from_environment(variable: str, default: int) -> int:
    """The size that an environment variable gives (500MB, 8GB, ...), else ``default``.

    Raises :class:`kdkit.KdkitError` when the variable says something else.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    match = re.fullmatch(r"(\d{1,12})\s*([KMG]B)?", text.upper())
    if match is None or int(match[1]) == 0:
        raise UsageError(f"{variable}={text} is no size", "Give one as 500MB or 8GB.")
    return int(match[1]) * _UNITS[match[2] or ""]


def check_unpacked(path: Path, size: int) -> None:
    """Raise :class:`kdkit.DataError` when ``size``, the bytes that ``path`` becomes in memory, is more than it may.

    As many bytes as lie on the disk are always allowed: no file grows by being read as it is.
    """
    if size > largest_bytes() and size > path.stat().st_size:
        raise too_large(path, f"becomes {size / 1e6:,.0f} MB in memory")


def is_endless(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device: reading it may wait for ever, or never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # reading it says why
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_ends(path: Path) -> None:
    """Raise :class:`kdkit.DataError` for a pipe, a socket or a device; called before a file of a folder is opened."""
    if is_endless(path):
        raise DataError(f"{path} is neither a file nor a folder", "Save what it gives as a file.")


def too_large(path: Path, what: str) -> DataError:
    """The error for a file of which ``what`` is more than one may take."""
    return DataError(
        f"{path} {what}; one file may take {largest_bytes() / 1e6:,.0f} MB",
        f"If it is meant to be so large, allow it: {VARIABLE}=8GB",
    )
