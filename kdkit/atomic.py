"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdkit.errors import StoreError
from kdkit.owner import tag

# After the tag of the process that writes it.
PARTIAL = ".partial"


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step, on the disk when this returns.

    Raises :class:`StoreError` when the disk is full or read-only.
    """
    partial = path.with_name(f".{path.name}.{tag()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}",
            "Free some space or choose another place with --out or KDKIT_HOME; what was made so far is kept.",
        ) from error


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` for text, as UTF-8.

    A file name that is no UTF-8 (of an old archive, say) is text that cannot be encoded: such bytes are written as
    escapes, and everything else stays readable.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """:func:`write_bytes` for a JSON value, indented for people."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """:func:`write_bytes` for a table: a header of every key in the order of its first appearance, then the rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_json(path: Path) -> Any:
    """The JSON value in ``path``; None when there is no such file or it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _sync_folder(folder: Path) -> None:
    """Have a new name outlast a power cut. Some systems and file systems cannot sync a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
