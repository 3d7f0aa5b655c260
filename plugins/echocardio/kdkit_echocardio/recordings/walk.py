"""The files of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdkit import DataError, Defect

from .table import hidden


def walk(path: Path) -> Iterator[Path]:
    """The files in a folder and below it, sorted by path; hidden ones are left out, links to folders not followed."""
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not hidden(name))
        for name in sorted(files):
            file = Path(folder, name)
            # Only what can be read to an end: opening a pipe would wait for ever.
            if not hidden(name) and file.is_file():
                yield file


def unreadable_folders(path: Path) -> Iterator[Defect]:
    """A defect for each folder below ``path`` that may not be read.

    Raises :class:`kdkit.DataError` when ``path`` itself is one.
    """
    errors: list[OSError] = []
    for _, folders, _ in os.walk(path, onerror=errors.append):
        folders[:] = [name for name in folders if not hidden(name)]
    for error in errors:
        folder = Path(error.filename)
        if folder == path:
            raise DataError(
                f"{path} cannot be read: {error.strerror}", "Ask whoever owns it for the right to read it."
            )
        yield Defect("unreadable-folder", folder.relative_to(path).as_posix(), str(error.strerror), True)


def flat_names(path: Path, files: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """A name for each file that may itself be a file's name: its path below ``path`` with - for /.

    The suffix is left out, except where two files would then have the same name; a number is added where even that
    is not enough.
    """
    flat = ["-".join(file.relative_to(path).parts) for file in files]
    stem_counts = Counter(Path(name).stem for name in flat)
    name_counts: Counter[str] = Counter()
    for name, file in zip(flat, files, strict=True):
        unique = Path(name).stem if stem_counts[Path(name).stem] == 1 else name
        name_counts[unique] += 1
        yield unique if name_counts[unique] == 1 else f"{unique}-{name_counts[unique]}", file
