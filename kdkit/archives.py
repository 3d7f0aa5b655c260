"""Files in zip archives, by paths that go on behind the archive's: ``clips.zip/patient 1/a.avi``."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath

from kdkit.errors import DataError
from kdkit.limits import largest_bytes, too_large
from kdkit.scratch import scratch_folder

SUFFIX = ".zip"
HEAD_BYTES = 1 << 16
"""How much of a member is unpacked to see what it is."""

_CHUNK = 1 << 20
_ENCRYPTED_FLAG = 0x1  # PKWARE APPNOTE 6.3.10, 4.4.4
_UNSAFE_CHARACTERS = re.compile(r'[\x00-\x1f\\/:*?"<>|]')
_LONGEST_NAME = 120
# The members that are unpacked at this moment, and where.
_copies: dict[Path, Path] = {}
# What damaged bytes and kinds of compression that are not supported make zipfile raise.
_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


def has_archive_name(path: Path) -> bool:
    """Whether a file is called a zip archive."""
    return path.suffix.lower() == SUFFIX


def check_archive(archive: Path) -> None:
    """Raise :class:`kdkit.DataError` when an archive cannot be read."""
    _open(archive)


def list_members(archive: Path, recognises: Callable[[Path], bool]) -> list[Path]:
    """The members that ``recognises`` takes, in the order of their names, and those that cannot be read at all.

    ``recognises`` gets a file with the member's name and first :data:`HEAD_BYTES`. Hidden members, and those that
    macOS adds, are left out. Raises :class:`kdkit.DataError` when the archive cannot be read.
    """
    paths = []
    with scratch_folder("archive") as folder:
        for name, info in sorted(_members(archive).items()):
            parts = PurePosixPath(name).parts
            hidden = any(part.startswith(".") and part != ".." for part in parts)
            if info.is_dir() or hidden or parts[0] == "__MACOSX":
                continue
            path = Path(f"{archive}/{name}")
            file = folder / _plain_name(name)
            try:
                _unpack(archive, path, info, file, HEAD_BYTES)
            except DataError:  # reading it says why
                paths.append(path)
            else:
                if has_archive_name(path) or recognises(file):
                    paths.append(path)
            file.unlink(missing_ok=True)
    return paths


@contextmanager
def local_file(path: Path) -> Iterator[Path]:
    """A path at which a file can be opened: its own, or of a member that of a copy, which is removed afterwards.

    Within the ``with`` further calls yield the same copy.

    Raises :class:`kdkit.DataError` for a member that is missing, encrypted, damaged or too large.
    """
    archive = archive_of(path)
    if archive is None or path in _copies:
        yield _copies.get(path, path)
        return
    info = _member(archive, path)
    with scratch_folder("archive") as folder:
        file = folder / _plain_name(path.name)
        if has_archive_name(path):
            raise DataError(f"{path} is an archive within an archive", "Unpack the outer one.")
        if info.file_size > largest_bytes() and info.file_size > archive.stat().st_size:
            raise too_large(path, f"becomes {info.file_size / 1e6:,.0f} MB unpacked")
        _unpack(archive, path, info, file)
        _copies[path] = file
        try:
            yield file
        finally:
            del _copies[path]


def member_stamp(path: Path) -> str | None:
    """A member's size in bytes and CRC-32, "" when the archive lacks it; None for a path that is in no archive."""
    archive = archive_of(path)
    if archive is None:
        return None
    try:
        info = _member(archive, path)
    except DataError:
        return ""
    return f"{info.file_size} {info.CRC:08x}"


def archive_of(path: Path) -> Path | None:
    """The archive that a path leads into; None for one that leads into none."""
    try:
        return next((parent for parent in path.parents if has_archive_name(parent) and parent.is_file()), None)
    except OSError:  # a folder that may not be read: opening the path says so
        return None


def _members(archive: Path) -> dict[str, zipfile.ZipInfo]:
    return _open(archive)[1]


def _member(archive: Path, path: Path) -> zipfile.ZipInfo:
    info = _members(archive).get(path.as_posix()[len(archive.as_posix()) + 1 :])
    if info is None:
        raise DataError(f"{path} is not there: {archive.name} has no such file")
    return info


def _open(archive: Path) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """An archive and its members by their names, which begin with no slash. It is read again when it has changed."""
    try:
        status = archive.stat()
        return _open_once(archive, status.st_mtime_ns, status.st_size)
    except _ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{archive} is no zip archive, or a damaged one: {reason}", "Copy it again.") from error


@lru_cache(maxsize=4)
def _open_once(archive: Path, modified: int, size: int) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    opened = zipfile.ZipFile(archive)
    members = {PurePosixPath(info.filename.lstrip("/")).as_posix(): info for info in opened.infolist()}
    return opened, {name: info for name, info in members.items() if name != "."}


def _unpack(archive: Path, path: Path, info: zipfile.ZipInfo, file: Path, most: int | None = None) -> None:
    """Write a member, or its first ``most`` bytes, to ``file``; zipfile gives no more bytes than it declares."""
    if info.filename.startswith("/") or ".." in re.split(r"[/\\]", info.filename):
        raise DataError(f"{path} has a name that leads out of the archive", "Pack the archive again.")
    if info.flag_bits & _ENCRYPTED_FLAG:
        raise DataError(f"{path} is encrypted", "Unpack the archive with its password, and predict on the files.")
    remaining = info.file_size if most is None else min(most, info.file_size)
    try:
        with _open(archive)[0].open(info) as source, file.open("wb") as target:
            while remaining > 0:
                chunk = source.read(min(_CHUNK, remaining))
                if not chunk:
                    raise EOFError("it ends early")
                target.write(chunk)
                remaining -= len(chunk)
    except _ERRORS as error:
        raise DataError(f"{path} cannot be unpacked: {error}", "Pack or copy the archive again.") from error


def _plain_name(name: str) -> str:
    """The last part of a member's name, as every disk can write it."""
    last = _UNSAFE_CHARACTERS.sub("_", PurePosixPath(name).name.encode(errors="replace").decode())
    path = PurePosixPath(last)
    return last if len(last) <= _LONGEST_NAME // 2 else f"{path.stem[: _LONGEST_NAME // 2]}{path.suffix[:10]}"
