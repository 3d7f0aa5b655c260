"""What the files of a folder hold: digests, which are remembered, so that no file is read twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs

from kdkit.atomic import digest_of, read_sealed, write_sealed
from kdkit.errors import StoreError
from kdkit.progress import Progress, Silence
from kdkit.workers import usable_cores

# What file managers leave in folders that somebody has looked at; beside hidden files.
_OF_THE_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}


def visible_files(folder: Path) -> Iterator[Path]:
    """The files in a folder and below it, sorted by name; links to folders are not followed.

    Hidden files and folders, and what file managers leave, are left out.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            # Only what can be read to an end: opening a pipe would wait for ever.
            if not name.startswith(".") and name.lower() not in _OF_THE_SYSTEM and file.is_file():
                yield file


def folder_digest(folder: Path, progress: Progress | None = None) -> str:
    """64 hexadecimal digits that say which files :func:`visible_files` gives: their names below it and contents.

    Where the folder lies and when it was changed does not count. Digests are remembered as by :func:`file_digests`.
    """
    files = list(visible_files(folder))
    digest = hashlib.sha256()
    for file, content in zip(files, file_digests(folder, files, progress), strict=True):
        digest.update(f"{file.relative_to(folder).as_posix()}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def file_digests(folder: Path, files: Sequence[Path], progress: Progress | None = None) -> list[str]:
    """The SHA-256 of each of these files below ``folder``, 64 hexadecimal digits; "" for one that cannot be read.

    Remembered in the user's cache folder: a file is read again when its size or a time of last change is another,
    in parallel and with a bar.
    """
    memory = _memory_file(folder)
    remembered = _read_memory(memory, *(_state(memory) or ()))
    known: dict[Path, Sequence[Any]] = {}
    missing: dict[Path, list[int]] = {}
    for file in files:
        entry, state = remembered.get(str(file.relative_to(folder)), ()), _state(file)
        if state and entry[:-1] == state:
            known[file] = entry
        elif state:
            missing[file] = state
    if missing:
        try:
            with (progress or Silence()).work("read", folder.name, len(missing), "files") as bar:
                for file, digest in _read(list(missing)):
                    known[file] = [*missing[file], digest]
                    bar.advance()
        finally:  # what was read before an interruption is kept
            entries = {str(file.relative_to(folder)): entry for file, entry in known.items() if entry[-1]}
            with suppress(StoreError):  # a cache folder that cannot be written is no reason to stop
                write_sealed(memory, {"files": {**remembered, **entries}})
    return [known[file][-1] if file in known else "" for file in files]


def _read(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each file with its digest, as they come. Threads do: digests are made without Python's lock."""
    pool = ThreadPoolExecutor(usable_cores() + 1)
    try:
        futures = {pool.submit(digest_of, file): file for file in files}
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _state(file: Path) -> list[int] | None:
    """Size and times of last change; None for a link that leads nowhere.

    The second time is the system's own, which no copying program sets back.
    """
    try:
        status = file.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _memory_file(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return platformdirs.user_cache_path("kdkit") / "contents" / f"{name}.json"


@lru_cache(maxsize=4)
def _read_memory(file: Path, *_: int) -> Mapping[str, Sequence[Any]]:
    """From the name of a file below the folder to its size, times of last change and digest."""
    return (read_sealed(file) or {}).get("files", {})
