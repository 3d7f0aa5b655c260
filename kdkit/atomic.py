"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from kdkit.errors import unwritable
from kdkit.owner import sweep, tag

# After the tag of the process that writes it.
PARTIAL = ".partial"
# The key in a sealed file under which the digest of everything else in it stands.
SEAL = "digest"


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step, on the disk when this returns.

    What killed processes have left half-written in its folder is removed. Raises :class:`StoreError` when the disk is
    full or read-only.
    """
    partial = path.with_name(f".{path.name}.{tag()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:  # whoever stops it does so at any moment
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        elsewhere = "choose another place with --out or KDKIT_HOME; what was made so far is kept, and the same "
        raise unwritable(str(path), error, f"{elsewhere}command goes on from it.") from error


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
    except (OSError, ValueError, RecursionError):
        return None


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """:func:`write_json` of an object with a digest of itself, under :data:`SEAL`."""
    write_json(path, {**content, SEAL: seal_of(content)})


def read_sealed(path: Path) -> dict[str, Any] | None:
    """What :func:`write_sealed` was given; None when there is no such file or any of it is not what was written."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get(SEAL) != seal_of(content):
        return None
    del content[SEAL]
    return content


def seal_of(content: Mapping[str, Any]) -> str:
    """The SHA-256, 64 hexadecimal digits, of an object as JSON, whatever the order of its keys; without its seal."""
    rest = {key: value for key, value in content.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's content, 64 hexadecimal digits; "" when it cannot be read.

    A file that has not been touched since this process last read it is not read again.
    """
    try:
        state = path.stat()
        return _digest(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=4096)
def _digest(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _sweep(folder: Path) -> None:
    """Once in a process."""
    sweep(folder.glob(f".*{PARTIAL}"))


def _sync_folder(folder: Path) -> None:
    """Have a new name outlast a power cut. Some systems and file systems cannot sync a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
