"""Which files a user's paths mean, and where the results of each go."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kdkit.archives import archive_of, has_archive_name, list_members
from kdkit.contracts.domain import Domain
from kdkit.engine.prediction_log import PREVIEWS, digest_of, holds_results, stamp_of
from kdkit.errors import DataError, UsageError
from kdkit.limits import is_endless

# Bytes of a result's name before its end. Disks allow 255 in all; while a file is written its name is longer.
LONGEST_STEM = 200
# Of more inputs that are missing the number is told.
_MOST_NAMED = 5
# Names that the results of a file may not take: those of the table and of the page beside them.
RESERVED = ("summary", "index")


class Inputs(NamedTuple):
    """The ``files`` that paths mean, and the ``result_folders`` that were not searched for any."""

    files: list[Path]
    result_folders: list[Path]


def list_inputs(domain: Domain, paths: Sequence[Path]) -> Inputs:
    """The files named, and those in the folders and zip archives named that the domain recognises, in order.

    Of a folder that holds results of an earlier call only what lies in folders below it is taken, even where it is
    named: its pictures are of files that are inputs themselves. Those in an archive are named by paths behind its own
    (:mod:`kdkit.archives`).
    A folder or archive that may not or cannot be read is among them: reading it fails, and it is named as what was
    skipped.
    Raises :class:`UsageError` for a pipe, a socket or a device, and for what is not there.
    """
    refuse_missing(paths)
    files: list[Path] = []
    result_folders: list[Path] = []
    for path in paths:
        _refuse_endless(path)
        for file in sorted(_inputs_in(domain, path, result_folders)) if _is_folder(path) else [path]:
            files.extend(_members_of(domain, file) if is_archive(domain, file) else [file])
    return Inputs(list(dict.fromkeys(files)), list(dict.fromkeys(result_folders)))


def refuse_missing(paths: Sequence[Path]) -> None:
    """Raise :class:`UsageError`, which names them all, for files and folders that do not exist.

    Of a path that goes on behind an archive's the archive is looked for: reading it says what it lacks.
    """
    missing = [str(path) for path in paths if not _is_there(path)]
    if missing:
        shown = ", ".join(missing[:_MOST_NAMED]) + (
            f" and {len(missing) - _MOST_NAMED} more" * (len(missing) > _MOST_NAMED)
        )
        raise UsageError(f"{shown} {'does' if len(missing) == 1 else 'do'} not exist", "Name files or folders.")


def _is_there(path: Path) -> bool:
    try:
        return path.is_symlink() or path.exists() or archive_of(path) is not None
    except OSError:  # it lies in a folder that may not be read, which is said when it is read itself
        return True


def _refuse_endless(path: Path) -> None:
    if is_endless(path):
        raise UsageError(f"{path} is neither a file nor a folder", "Save what it gives as a file, and name that.")


def is_archive(domain: Domain, path: Path) -> bool:
    """Whether a file is to be looked into: it is called a zip archive, and the domain does not read it itself."""
    try:
        return has_archive_name(path) and path.is_file() and not domain.recognises(path)
    except OSError:  # as for a folder
        return False


def choose_stems(paths: Sequence[Path], out: Path, taken: Iterable[str] = ()) -> dict[Path, Path]:
    """Where each file's results go; files of the same name in different folders are numbered.

    So are names that differ in upper and lower case only, as not every disk tells them apart, and names that results
    have ``taken`` which are kept. A name that leaves no
    room for the end of a result's name is cut, and points before it are left out: two of them name a folder.
    """
    stems: dict[Path, Path] = {}
    used_names = {*RESERVED, *(stem.casefold() for stem in taken)}
    numbers: dict[str, int] = {}
    for path in paths:
        base = _plain_name(_stem_of(path))
        for number in itertools.count(numbers.get(base, 1)):
            stem = base if number == 1 else f"{base}-{number}"
            if stem.casefold() not in used_names:
                break
        numbers[base] = number + 1
        used_names.add(stem.casefold())
        stems[path] = out / stem
    return stems


def find_copies(paths: Sequence[Path]) -> dict[str, str]:
    """For each file whose content is that of one before it, that one. Only files of equal size are read for this."""
    by_size: dict[int, list[Path]] = {}
    for path in paths:
        stamp = stamp_of(path)
        if stamp:  # otherwise reading it says why
            by_size.setdefault(int(stamp.split()[0]), []).append(path)
    copies: dict[str, str] = {}
    for size, equal in by_size.items():
        originals: dict[str, str] = {}
        for path in equal if size and len(equal) > 1 else ():
            digest = digest_of(path)
            original = originals.setdefault(digest, str(path)) if digest else str(path)
            if original != str(path):
                copies[str(path)] = original
    return copies


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # it lies in a folder that may not be read, which is said when it is read itself
        return False


def _inputs_in(domain: Domain, folder: Path, result_folders: list[Path]) -> Iterator[Path]:
    """The inputs below a folder; folders of results go to ``result_folders``."""
    unreadable: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        if holds_results(Path(parent)):
            result_folders.append(Path(parent))
            names, folders[:] = [], [name for name in folders if name != PREVIEWS]
        # Nobody means hidden ones: macOS leaves ._clip.avi beside clip.avi.
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = (Path(parent, name) for name in names if not name.startswith("."))
        yield from (file for file in files if _is_meant(file) and (has_archive_name(file) or domain.recognises(file)))
    yield from unreadable


def _is_meant(file: Path) -> bool:
    """Whether it is a file, or a link to what is gone, of which reading it says so."""
    return file.is_file() or (file.is_symlink() and not file.exists())


def _members_of(domain: Domain, archive: Path) -> list[Path]:
    try:
        return list_members(archive, domain.recognises)
    except DataError:  # reading it says why
        return [archive]


def _stem_of(path: Path) -> str:
    """A file's name without its end, which in compressed files has two parts: of ``a.nii.gz`` it is ``a``."""
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def _plain_name(name: str) -> str:
    """A name that every library can write, and that is no folder's: of bytes that are no UTF-8 a sign is left."""
    name = os.fsencode(name).decode(errors="replace").lstrip(".") or "_"
    while len(os.fsencode(name)) > LONGEST_STEM:
        name = name[:-1]
    return name
